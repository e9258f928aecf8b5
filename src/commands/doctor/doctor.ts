/**
 * `amp-write-proxy doctor --config FILE`: everything between this process and AMP's 2xx, checked as the pod would do it,
 * each finding with its remedy.
 *
 *     configuration -> per entry: dns, tls, region, credentials, identity, clock, write
 *
 * It changes nothing: the one write that it sends is empty. Exit status: 0 nothing failed, 1 something did, 2 usage.
 */
import { parseArgs } from 'node:util';

import { wrap } from '../bootstrap/screen.ts';
import type { Environment } from '../../config/environment.ts';
import { loadConfig } from '../../config/load.ts';
import type { RemoteWriteConfig } from '../../config/schema.ts';
import { ConfigError } from '../../outcome/errors.ts';
import type { CheckResult } from './check.ts';
import { failed, ok, skipped, warning } from './check.ts';
import { checkWrite } from './empty-write.ts';
import { checkCaller, checkCredentials } from './identity.ts';
import { checkDns, checkRegion, checkTls, readAuthorities } from './network.ts';

const HELP = `Usage: amp-write-proxy doctor --config FILE [--output text|json]

Checks the configuration, credentials, network, clock and permissions as the
proxy would use them, and sends one signed, empty write to each upstream.
Run it where the proxy runs:

  kubectl exec deploy/amp-write-proxy -- amp-write-proxy doctor --config FILE

Exit status: 0 nothing failed, 1 something did, 2 wrong usage.
`;

export interface DoctorIo {
  readonly env: Environment;
  writeOut(text: string): void;
  writeError(text: string): void;
}

interface EntryReport {
  /** The name of the remote_write entry, or of the configuration file. */
  readonly name: string;
  readonly url?: string;
  readonly checks: readonly CheckResult[];
}

export async function doctorMain(args: readonly string[], io: DoctorIo = processIo()): Promise<number> {
  let values;
  try {
    values = parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error), io);
  }
  if (values.help) {
    io.writeOut(HELP);
    return 0;
  }
  if (values.config === undefined) return usage('--config FILE is missing', io);
  if (values.output !== 'text' && values.output !== 'json') return usage('--output must be text or json', io);
  const isText = values.output === 'text';
  const say = (text: string): void => (isText ? io.writeOut(text) : io.writeError(text));
  const reports = await examine(values.config, io.env, say);
  if (!isText) io.writeOut(`${JSON.stringify({ command: 'doctor', reports }, null, 2)}\n`);
  const isFailed = reports.some(({ checks }) => checks.some(({ status }) => status === 'failed'));
  const isProven = reports.every(({ checks }) =>
    checks.every(({ name, status }) => name !== 'write' || status === 'ok'),
  );
  const well = isProven
    ? 'All is well.'
    : 'Nothing failed, but that AMP takes writes is not proven: see the warning above.';
  if (isText) io.writeOut(`\n${isFailed ? 'Something is wrong: see above.' : well}\n`);
  return isFailed ? 1 : 0;
}

const OPTIONS = {
  config: { type: 'string' },
  output: { type: 'string', default: 'text' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

async function examine(file: string, env: Environment, say: (text: string) => void): Promise<EntryReport[]> {
  const reports: EntryReport[] = [];
  const report = (entry: EntryReport): void => {
    reports.push(entry);
    say(screenOf(entry));
  };
  let entries: readonly RemoteWriteConfig[];
  try {
    const { config, warnings } = await loadConfig(file, env);
    entries = config.remote_write;
    const found = warnings.map((text) => warning('configuration', text, 'The proxy starts all the same.'));
    report({ name: file, checks: found.length > 0 ? found : [ok('configuration', 'it can be used')] });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const remedy = 'Correct it; docs/configuration.md lists every key.';
    report({ name: file, checks: error.problems.map((problem) => failed('configuration', problem, remedy)) });
    return reports;
  }
  for (const entry of entries) {
    report({ name: `remote_write ${entry.name}`, url: entry.url, checks: await examineEntry(entry, env) });
  }
  return reports;
}

/** Later checks that cannot succeed after an earlier one has failed are left out, so that the first failure is the cause. */
async function examineEntry(entry: RemoteWriteConfig, env: Environment): Promise<CheckResult[]> {
  const dns = await checkDns(entry);
  const { ca, problem } = await readAuthorities(entry);
  const tls = problem ?? (dns.status === 'failed' ? skipped('tls', 'without an address') : await checkTls(entry, ca));
  const way = { proxy: entry.proxy, ca };
  const checks = [dns, tls, checkRegion(entry)];
  const { result, identity } = await checkCredentials(entry.sigv4, way, env);
  checks.push(result);
  if (identity === undefined) return [...checks, skipped('write', 'without credentials')];
  checks.push(await checkCaller(identity, entry.sigv4, way, env));
  if (dns.status === 'failed' || tls.status === 'failed') return [...checks, skipped('write', 'without a way there')];
  return [...checks, ...(await checkWrite(entry, identity, ca))];
}

const SIGNS = { ok: 'ok', warning: 'warn', failed: 'FAIL', skipped: '-' } as const;

function screenOf({ name, url, checks }: EntryReport): string {
  const head = `\n${wrap(name)}\n${url === undefined ? '' : `${wrap(url, '  ', '    ')}\n`}`;
  const lines = checks.map(({ name: check, status, message, remedy }) => {
    const line = wrap(message, `  ${SIGNS[status].padEnd(5)}${check.padEnd(14)}`, ' '.repeat(21));
    return remedy === undefined ? line : `${line}\n${wrap(remedy, `${' '.repeat(18)}-> `, ' '.repeat(21))}`;
  });
  return `${head}${lines.join('\n')}\n`;
}

function usage(problem: string, io: DoctorIo): number {
  io.writeError(`${problem}\n\n${HELP}`);
  return 2;
}

function processIo(): DoctorIo {
  return {
    env: process.env,
    writeOut: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
  };
}

if (import.meta.main) process.exitCode = await doctorMain(process.argv.slice(2));
