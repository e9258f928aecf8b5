/**
 * Renders the chart with a real helm, which HELM_BIN names or PATH has. The chart is copied, with a small dashboard and
 * few rules in place of the real ones, so that what is rendered tells of the chart alone.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isMap, parseAllDocuments } from 'yaml';
import { ROOT } from '../support/processes.ts';

export const CHART = path.join(ROOT, 'charts/amp-write-proxy');
const KUBERNETES = '1.33.0';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string } & Record<string, unknown>;
  readonly [key: string]: unknown;
}

export interface Rendering {
  readonly status: number | null;
  readonly text: string;
  readonly stderr: string;
}

/** The program; undefined where there is none. */
export const helm: string | undefined = findHelm();

function findHelm(): string | undefined {
  const program = process.env['HELM_BIN'] ?? 'helm';
  try {
    execFileSync(program, ['version', '--short'], { stdio: 'pipe' });
    return program;
  } catch {
    if (process.env['HELM_BIN'] !== undefined) throw new Error(`HELM_BIN is ${program}, which does not run`);
    return undefined;
  }
}

const RULES = `groups:
  - name: placeholder
    rules:
      - alert: Placeholder
        expr: up == 0
        for: 5m
        labels: { severity: warning }
        annotations: { summary: '{{ $labels.pod }} is gone' }
`;

let copy: string | undefined;

function chartCopy(): string {
  if (copy !== undefined) return copy;
  const directory = mkdtempSync(path.join(tmpdir(), 'amp-write-proxy-chart-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  copy = path.join(directory, 'amp-write-proxy');
  cpSync(CHART, copy, { recursive: true });
  mkdirSync(path.join(copy, 'files'), { recursive: true });
  writeFileSync(path.join(copy, 'files/rules.yaml'), RULES);
  writeFileSync(path.join(copy, 'files/dashboard.json'), '{ "title": "placeholder {{instance}}" }\n');
  return copy;
}

export interface RenderOptions {
  /** Values as a document; it goes in front of `files`. */
  readonly values?: object;
  readonly files?: readonly string[];
  readonly kubernetes?: string;
  /** The chart as it is, with its own dashboard and rules. */
  readonly asIs?: boolean;
}

export function tryRender({ values, files = [], kubernetes = KUBERNETES, asIs = false }: RenderOptions): Rendering {
  const chart = asIs ? CHART : chartCopy();
  const args = ['template', 'amp-write-proxy', chart, '--namespace', 'monitoring', '--kube-version', kubernetes];
  const input = values === undefined ? [] : ['--values', '-'];
  const result = spawnSync(helm ?? 'helm', [...args, ...input, ...files.flatMap((file) => ['--values', file])], {
    input: JSON.stringify(values ?? {}),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status: result.status, text: result.stdout, stderr: result.stderr };
}

/** @throws where helm refuses */
export function render(options: RenderOptions): { readonly text: string; readonly manifests: Manifest[] } {
  const { status, text, stderr } = tryRender(options);
  if (status !== 0) throw new Error(`helm ended with ${status}: ${stderr}`);
  return { text, manifests: readManifests(text) };
}

/** @returns what helm and the chart have to say; '' when nothing */
export function lint(file: string): string {
  const result = spawnSync(helm ?? 'helm', ['lint', '--strict', chartCopy(), '--values', file], { encoding: 'utf8' });
  return result.status === 0 ? '' : `${result.stdout}${result.stderr}`;
}

/** The one of this kind whose name ends so. */
export function pick(manifests: readonly Manifest[], kind: string, suffix = ''): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name.endsWith(suffix));
  if (found === undefined) throw new Error(`no ${kind} ${suffix} was rendered`);
  return found;
}

function readManifests(text: string): Manifest[] {
  return parseAllDocuments(text, { uniqueKeys: true }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what Kubernetes's types check next
    return isMap(document.contents) ? [document.toJS() as Manifest] : [];
  });
}
