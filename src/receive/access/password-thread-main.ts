/** The code that the thread of password-thread.ts runs. */
import { parentPort } from 'node:worker_threads';
import { matchesSync } from './password-hash.ts';
import type { PasswordQuestion } from './password-thread.ts';

parentPort?.on('message', ({ password, hash }: PasswordQuestion) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(matchesSync(password, hash));
});
