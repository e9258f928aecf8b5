/** Records unexpected ends of workers as problems for the status page, with one entry per way to end. */
import { RecentEvents } from '../../admin/status-page/recent-events.ts';
import type { ProblemStatus } from '../../admin/snapshot.ts';
import { redact } from '../../outcome/redact.ts';

/** The usual meaning of each way to end. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^said nothing/, 'It hung; the log of the machine may say why, as may a CPU limit that is too low.'],
  [/SIGKILL/, 'Mostly the kernel, for memory: raise the memory limit, or lower limits.max_inflight_bytes.'],
  [/SIGABRT/, 'Mostly the heap, which was full: raise the memory limit, or lower limits.max_inflight_bytes.'],
];

export class WorkerExits {
  readonly #nowMs: () => number;
  readonly #ways = new RecentEvents<{ readonly slot: number; readonly how: string }>();

  /** @param nowMs ms since the epoch */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  add(slot: number, how: string): void {
    this.#ways.add(how, { slot, how }, this.#nowMs());
  }

  list(): readonly ProblemStatus[] {
    return this.#ways.all().map(({ details: { slot, how }, count, firstAtMs, lastAtMs }) => ({
      destination: '',
      what: 'A worker ended',
      said: redact(`worker ${slot}: ${how}`),
      remedy: `Another took its place; its senders send again. ${remedyFor(how)}`,
      sender: '',
      count,
      firstAtMs,
      lastAtMs,
    }));
  }
}

function remedyFor(how: string): string {
  const [, remedy] = REMEDIES.find(([words]) => words.test(how)) ?? [];
  return remedy ?? 'The log says more.';
}
