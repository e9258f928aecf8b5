/**
 * The proxy as a process: command line -> configuration -> one process (single-process.ts) or several (workers/primary.ts).
 *
 * Exit status: 0 after a drain or a check that found nothing, 1 when it cannot run, 2 for wrong usage.
 */
import { parseCommandLine, wrongUsage } from './arguments.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { unreadableFiles } from '../config/files.ts';
import { loadConfig } from '../config/load.ts';
import type { LoadedConfig } from '../config/load.ts';
import { ConfigError } from '../outcome/errors.ts';
import { makeLog } from '../platform/log.ts';
import { usableProcessors, workerCount } from '../serve/workers/count.ts';

const HELP = `Usage: npm start -- --config FILE [--check-config]

Takes Prometheus remote_write, joins it, signs it and forwards it to Amazon Managed Service for Prometheus.

  --config FILE     the configuration, YAML; docs/configuration.md lists every key
  --check-config    check the configuration and exit: 0 when it can be used, 1 with every reason why not
  --version         print the version
  --help            print this
`;

export async function main(args: string[]): Promise<number> {
  const values = parseCommandLine(args, OPTIONS, HELP);
  if (typeof values === 'number') return values;
  if (values.version) {
    process.stdout.write(`amp-write-proxy ${packageJson.version} (node ${process.version})\n`);
    return 0;
  }
  if (values.config === undefined) {
    return wrongUsage('--config FILE is missing', HELP);
  }
  const loaded = await tryLoad(values.config);
  if (loaded === undefined) return 1;
  if (values['check-config']) {
    const warnings = [...loaded.warnings, ...unreadableFiles(loaded.config)];
    for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
    process.stdout.write(`${values.config}: the configuration can be used\n`);
    return 0;
  }
  return serve(loaded);
}

const OPTIONS = {
  config: { type: 'string' },
  'check-config': { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

async function tryLoad(file: string): Promise<LoadedConfig | undefined> {
  try {
    return await loadConfig(file, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) process.stderr.write(`error: ${problem}\n`);
    return undefined;
  }
}

async function serve({ config, warnings }: LoadedConfig): Promise<number> {
  const log = makeLog(config.log);
  for (const warning of warnings) log.warn({}, warning);
  const unreadable = unreadableFiles(config);
  for (const error of unreadable) log.error({ error }, 'cannot start');
  if (unreadable.length > 0) return 1;
  const workers = workerCount(config, usableProcessors(), log);
  // Only one of the two is loaded: a process without workers needs nothing of node:cluster, and a primary nothing of
  // the data path.
  if (workers === 1) {
    const { serveAlone } = await import('../serve/single-process.ts');
    return serveAlone(config, log, packageJson.version);
  }
  const { servePrimary } = await import('../serve/workers/primary.ts');
  return servePrimary(config, workers, log, packageJson.version);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
