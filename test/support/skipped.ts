/** Tests that a run skipped, each with what is missing and the variable or command that brings it. */

export interface Need {
  /** The name by which .ci/run allows it to be missing. */
  readonly name: string;
  readonly remedy: string;
}

const OPENSSL: Need = { name: 'openssl', remedy: 'install openssl' };
const BOTOCORE: Need = { name: 'botocore', remedy: 'install python3-botocore, or run `pip install botocore`' };
const CHROMIUM: Need = { name: 'chromium', remedy: 'set CHROMIUM_BIN, or install chromium' };
const PROMETHEUS: Need = { name: 'prometheus', remedy: 'set PROMETHEUS_BIN, or install prometheus' };
const READERS: Need = {
  name: 'readers',
  remedy: 'set PEERS_DIR to a folder with vmalert, amtool and prometheus-alertmanager (with its templates installed)',
};
const PROMTOOL: Need = { name: 'promtool', remedy: 'set PROMTOOL_BIN, or install prometheus' };
const HELM: Need = { name: 'helm', remedy: 'set HELM_BIN and KUBECTL_BIN, or install helm and kubectl' };
const MEMORY_LIMIT: Need = { name: 'memory limit', remedy: 'run as root, where control groups can be made' };
const MOTO: Need = {
  name: 'moto',
  remedy:
    'start moto_server (`pip install "moto[server]"`) and set MOTO_URL; set MOTO_AWS_CLI where `aws` is not on PATH',
};

/** The first that a file's path contains says what its skipped tests need. */
const NEEDS: readonly (readonly [string, Need])[] = [
  ['test/admin/status-page/page.test.ts', CHROMIUM],
  ['test/commands/bootstrap/', MOTO],
  ['test/end-to-end/bootstrap.test.ts', MOTO],
  ['test/dev/sandbox/verify-signature.test.ts', BOTOCORE],
  ['test/end-to-end/signature-by-botocore.test.ts', BOTOCORE],
  ['test/isolation/', PROMETHEUS],
  ['test/end-to-end/real-prometheus.test.ts', PROMETHEUS],
  ['test/end-to-end/observability.test.ts', PROMETHEUS],
  ['test/end-to-end/reading.test.ts', READERS],
  ['test/end-to-end/metrics.test.ts', PROMTOOL],
  ['test/monitoring/', PROMTOOL],
  ['test/chart/', HELM],
  ['test/image/image.test.ts', { name: 'helm or root', remedy: `${HELM.remedy}; run as root` }],
  ['test/aws/provider.test.ts', OPENSSL],
  ['test/commands/doctor/', OPENSSL],
  ['test/dev/sandbox/faults.test.ts', OPENSSL],
  ['test/end-to-end/faults-tls.test.ts', OPENSSL],
  ['test/hostile/connections.test.ts', OPENSSL],
  ['test/hostile/memory.test.ts', MEMORY_LIMIT],
  ['test/receive/access/', OPENSSL],
  ['test/send/upstream/', OPENSSL],
];

export const UNKNOWN: Need = { name: 'unknown', remedy: 'see the file' };

export function needOf(file: string): Need {
  return NEEDS.find(([part]) => file.includes(part))?.[1] ?? UNKNOWN;
}

export interface Skips {
  readonly need: Need;
  /** Files with the number of tests that each skipped. */
  readonly files: ReadonlyMap<string, number>;
}

/** @param files one entry for each skipped test: the file that it is in */
export function groupByNeed(files: readonly string[]): Skips[] {
  const groups = new Map<string, { need: Need; files: Map<string, number> }>();
  for (const file of files) {
    const need = needOf(file);
    const group = groups.get(need.name) ?? { need, files: new Map<string, number>() };
    group.files.set(file, (group.files.get(file) ?? 0) + 1);
    groups.set(need.name, group);
  }
  return [...groups.values()];
}

/** One paragraph for each need. */
export function describeSkips(groups: readonly Skips[]): string {
  return groups
    .map(({ need, files }) => {
      const total = [...files.values()].reduce((sum, count) => sum + count, 0);
      const list = [...files].map(([file, count]) => `\n    ${file} (${count})`).join('');
      return `  ${total} without ${need.name}; to run them: ${need.remedy}${list}`;
    })
    .join('\n');
}
