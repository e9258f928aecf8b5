/** Runs the bootstrap command in this process, with its own standard output and error, and waits that take no time. */
import { bootstrapMain } from '../../src/commands/bootstrap/main.ts';

export interface BootstrapRun {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Credentials come from the process's environment: see `withTestCredentials`. */
export async function bootstrap(args: readonly string[], env: Readonly<Record<string, string>>): Promise<BootstrapRun> {
  let out = '';
  let err = '';
  let nowMs = 0;
  const status = await bootstrapMain(args, {
    env: { AWS_REGION: 'us-west-2', AWS_MAX_ATTEMPTS: '1', ...env },
    writeOut: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    terminal: undefined,
    sleep: (ms) => {
      nowMs += ms;
      return Promise.resolve();
    },
    nowMs: () => nowMs,
  });
  return { status, out, err };
}

/** Lines that do not fit on a screen of 80 columns. */
export function tooWide(screen: string): string[] {
  return screen.split('\n').filter((line) => line.length > 80);
}
