/** Waits for a status to be reached, and for IAM to propagate new objects. Time comes in as an argument. */
import { BootstrapError, isAwsCode } from './errors.ts';

export interface Waiting {
  /** Says one line to the person who waits. */
  progress(line: string): void;
  sleep(ms: number): Promise<void>;
  nowMs(): number;
}

export interface StatusWait {
  /** For people: `workspace ws-...`. */
  readonly what: string;
  readonly wanted: string;
  /** Undefined means gone. */
  readonly read: () => Promise<string | undefined>;
  readonly timeoutMs: number;
}

const POLL_MS = 3_000;

/** @throws BootstrapError when the status becomes a failure, or the time is over */
export async function waitForStatus({ what, wanted, read, timeoutMs }: StatusWait, waiting: Waiting): Promise<void> {
  const startedMs = waiting.nowMs();
  for (;;) {
    const status = (await read()) ?? 'DELETED';
    if (status === wanted) return;
    const waitedMs = waiting.nowMs() - startedMs;
    if (status.endsWith('_FAILED')) {
      const remedy = 'Look at it in the AWS console, delete it, then run the same command again.';
      throw new BootstrapError('STATUS_FAILED', `${what} is ${status} instead of ${wanted}`, remedy);
    }
    if (waitedMs >= timeoutMs) {
      const message = `${what} is still ${status} after ${Math.round(waitedMs / 1000)} s, not ${wanted}`;
      throw new BootstrapError('STATUS_TIMEOUT', message, 'Run the same command again: it goes on waiting.');
    }
    waiting.progress(`waiting for ${what} to be ${wanted}: ${status}, ${Math.round(waitedMs / 1000)} s`);
    await waiting.sleep(POLL_MS);
  }
}

/** IAM propagates changes within seconds; half a minute is a generous limit. */
const CONSISTENCY_MS = 30_000;
const CONSISTENCY_POLL_MS = 1_000;

/** Calls again while AWS does not yet see an object that was just made. */
export async function untilVisible<T>(
  call: () => Promise<T>,
  notYetCodes: readonly string[],
  waiting: Waiting,
): Promise<T> {
  const startedMs = waiting.nowMs();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isAwsCode(error, ...notYetCodes) || waiting.nowMs() - startedMs >= CONSISTENCY_MS) throw error;
      waiting.progress('waiting for IAM to see what was just made');
      await waiting.sleep(CONSISTENCY_POLL_MS);
    }
  }
}
