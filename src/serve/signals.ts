/** The signals that ask a process to end. */
import { constants } from 'node:os';
import type { Log } from '../platform/log.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/**
 * The program that started the process may pass on a signal that the whole group has had already, as timeout(1) does. A
 * signal within this time is therefore no second request.
 */
const SAME_WISH_MS = 1_000;

/**
 * Resolves with the first signal. A second signal, at least one second later, exits immediately with the exit status by
 * which a shell knows the signal.
 */
export async function endSignal(log: Log): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (firstAtMs === undefined) {
          firstAtMs = performance.now();
          resolve(signal);
        } else if (performance.now() - firstAtMs >= SAME_WISH_MS) {
          log.warn({ signal }, ENDED_AT_ONCE);
          process.exit(128 + constants.signals[signal]);
        }
      });
    }
  });
}

const ENDED_AT_ONCE =
  'asked again to end, which is done at once; requests without an answer get none, and their senders send them again';
