/**
 * `amp-write-proxy healthcheck --config FILE`: asks the admin port of the same configuration whether the process lives.
 * For Docker's HEALTHCHECK, in an image that has neither curl nor a shell to run it.
 *
 * Exit status: 0 healthy, 1 not, 2 for wrong usage.
 */
import { parseCommandLine, wrongUsage } from './arguments.ts';
import type { ListenAddress } from '../config/listen-address.ts';
import { loadConfig } from '../config/load.ts';

const HELP = `Usage: amp-write-proxy healthcheck --config FILE [--timeout SECONDS]

Asks /-/healthy on server.admin_listen of FILE: 0 when the process lives, 1 with the reason when not.
`;

const OPTIONS = {
  config: { type: 'string' },
  timeout: { type: 'string', default: '3' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export async function main(args: string[]): Promise<number> {
  const values = parseCommandLine(args, OPTIONS, HELP);
  if (typeof values === 'number') return values;
  const timeoutMs = Number(values.timeout) * 1000;
  if (values.config === undefined || !(timeoutMs > 0)) {
    const wrong = values.config === undefined ? '--config FILE is missing' : '--timeout is not a number of seconds';
    return wrongUsage(wrong, HELP);
  }
  try {
    const { config } = await loadConfig(values.config, process.env);
    const url = `${localUrl(config.server.admin_listen)}/-/healthy`;
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    const text = (await response.text()).trim();
    process.stdout.write(`${url}: ${response.status} ${text}\n`);
    return response.ok ? 0 : 1;
  } catch (error) {
    process.stderr.write(`not healthy: ${reasonOf(error)}\n`);
    return 1;
  }
}

/** Returns the URL by which a process on the same machine reaches the address; "every address" includes loopback. */
export function localUrl({ host, port }: ListenAddress): string {
  // By its name where IPv6 may be missing.
  const reachable = { '': 'localhost', '0.0.0.0': '127.0.0.1', '::': 'localhost' }[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

/** fetch hides the reason of a failure in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
