/** Workers that ended though nobody had asked them to, as problems of the status page: one entry for each way to end. */
import type { ProblemStatus } from '../status/snapshot.ts';
import { presentable } from '../status/words.ts';

/** Ways that are told apart; beyond it the one that is longest ago is forgotten. */
const MAX_WAYS = 20;

/** What each way to end mostly means. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^said nothing/, 'It hung; the log of the machine may say why, as may a CPU limit that is too low.'],
  [/SIGKILL/, 'Mostly the kernel, for memory: raise the memory limit, or lower limits.max_inflight_bytes.'],
  [/SIGABRT/, 'Mostly the heap, which was full: raise the memory limit, or lower limits.max_inflight_bytes.'],
];

export class Ends {
  readonly #nowMs: () => number;
  /** The latest last. */
  readonly #ways = new Map<string, ProblemStatus>();

  /** @param nowMs ms since the epoch */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  add(slot: number, how: string): void {
    const lastAtMs = this.#nowMs();
    const { count = 0, firstAtMs = lastAtMs } = this.#ways.get(how) ?? {};
    this.#ways.delete(how);
    const [, remedy] = REMEDIES.find(([words]) => words.test(how)) ?? [undefined, 'The log says more.'];
    this.#ways.set(how, {
      destination: '',
      what: 'A worker ended',
      said: presentable(`worker ${slot}: ${how}`),
      remedy: `Another took its place; its senders send again. ${remedy}`,
      sender: '',
      count: count + 1,
      firstAtMs,
      lastAtMs,
    });
    const [oldest] = this.#ways.keys();
    if (oldest !== undefined && this.#ways.size > MAX_WAYS) this.#ways.delete(oldest);
  }

  list(): readonly ProblemStatus[] {
    return [...this.#ways.values()];
  }
}
