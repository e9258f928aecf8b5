/**
 * The proxy as a process: configuration -> pipeline -> listen -> drain on a signal.
 *
 * Exit status: 0 after a drain or a check that found nothing, 1 when it cannot run, 2 for wrong usage.
 */
import { parseCommandLine, wrongUsage } from './command-line.ts';
import packageJson from '../package.json' with { type: 'json' };
import { loadConfig } from './config/load.ts';
import type { LoadedConfig } from './config/load.ts';
import { ConfigError } from './errors.ts';
import { makeLog } from './log.ts';
import { Pipeline } from './pipeline.ts';

const HELP = `Usage: npm start -- --config FILE [--check-config]

Takes Prometheus remote_write, joins it, signs it and forwards it to Amazon Managed Service for Prometheus.

  --config FILE     the configuration, YAML; every key is in the README
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
    for (const warning of loaded.warnings) process.stderr.write(`warning: ${warning}\n`);
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
  let pipeline;
  try {
    pipeline = new Pipeline(config, log, { version: packageJson.version });
  } catch (error) {
    log.error({ error: error instanceof Error ? error.message : String(error) }, 'cannot start');
    return 1;
  }
  const signal = new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  try {
    const { listen, adminListen } = await pipeline.start();
    log.info(
      {
        listen,
        adminListen,
        version: packageJson.version,
        destinations: config.remote_write.map(({ name, url }) => ({ name, url })),
      },
      'listening',
    );
  } catch (error) {
    log.error({ error: error instanceof Error ? error.message : String(error) }, 'cannot listen');
    await pipeline.close();
    return 1;
  }
  log.info({ signal: await signal }, 'asked to end');
  await pipeline.drain();
  log.info({}, 'drained');
  // A call to STS that hangs would keep the process; it has nothing to lose any more.
  setTimeout(() => process.exit(0), 200).unref();
  return 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
