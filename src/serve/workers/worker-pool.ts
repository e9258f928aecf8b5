/**
 * WorkerPool: the workers, each in a numbered slot. The first is started alone, so that a failure to listen is reported
 * once and ends the start; the others follow. A worker that dies is replaced: immediately, or, if it did not live long,
 * after a wait that doubles.
 *
 *     starting -> running -> ending
 */
import type { Config } from '../../config/schema.ts';
import { WorkerStartError } from '../../outcome/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Readiness } from '../../admin/server.ts';
import type { Fork } from './fork.ts';
import { WorkerHandle } from './worker-handle.ts';
import type { WorkerReport } from './messages.ts';

/** A worker that lives shorter than this is replaced after a wait. */
const LONG_LIFE_MS = 10_000;
const MIN_WAIT_MS = 250;
const MAX_WAIT_MS = 8_000;
/** Workers report every second. A worker that is silent for this long hangs: its connections wait in vain. */
const QUIET_MS = 5_000;
/** A worker that is silent for this long is replaced. */
const SILENT_MS = 30_000;
const LOOK_EVERY_MS = 1_000;
/**
 * If this process itself stood still for this long (docker pause, Ctrl-Z), the workers' messages have yet to be read.
 */
const STOOD_STILL_MS = 5_000;
/** A scrape waits this long for a worker's answer, and uses its last report after that. */
const ANSWER_WITHIN_MS = 1_000;

export interface WorkerPoolDeps {
  readonly size: number;
  readonly version: string;
  /** The configuration with the share of one worker. */
  readonly config: Config;
  readonly fork: Fork;
  readonly log: Log;
  readonly nowMs: () => number;
  /** Called when a worker is gone, with its last report. */
  readonly retire: (report: WorkerReport, slot: number) => void;
  /** Called when a worker ended unexpectedly. @param how in words */
  readonly ended: (slot: number, how: string) => void;
}

interface Slot {
  readonly number: number;
  member: WorkerHandle | undefined;
  /** The number of consecutive short lives. */
  shortLives: number;
  timer: NodeJS.Timeout | undefined;
}

export class WorkerPool {
  readonly #deps: WorkerPoolDeps;
  readonly #slots: readonly Slot[];
  #mode: 'starting' | 'running' | 'ending' = 'starting';
  #restarts = 0;
  #watch: NodeJS.Timeout | undefined;
  #lookedAtMs = 0;
  #started = Promise.withResolvers<string>();
  #ended = Promise.withResolvers<undefined>();

  constructor(deps: WorkerPoolDeps) {
    this.#deps = deps;
    this.#slots = Array.from({ length: deps.size }, (_, index) => ({
      number: index + 1,
      member: undefined,
      shortLives: 0,
      timer: undefined,
    }));
  }

  /** Resolves with the address when the first worker listens; rejects with the reason if it cannot. */
  async start(): Promise<string> {
    this.#lookedAtMs = this.#deps.nowMs();
    this.#watch = setInterval(() => this.#killSilent(), LOOK_EVERY_MS).unref();
    const [first] = this.#slots;
    if (first !== undefined) this.#fill(first);
    return this.#started.promise;
  }

  /** The number of workers that take requests. */
  get running(): number {
    return this.#members.filter((member) => member.state === 'listening' && !this.#isQuiet(member)).length;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Where readers are served; undefined before a worker listens, and without server.query_listen. */
  get queryListen(): string | undefined {
    return this.#members.find(({ queryListen }) => queryListen !== undefined)?.queryListen;
  }

  get isAlive(): boolean {
    return this.#members.length > 0;
  }

  get draining(): boolean {
    return this.#mode === 'ending';
  }

  /** The last report of each living worker, by slot. */
  get reports(): ReadonlyMap<number, WorkerReport> {
    return new Map(this.#members.flatMap(({ slot, report }) => (report === undefined ? [] : [[slot, report]])));
  }

  /** Asks all workers for a report and waits at most a second. A hanging worker is not waited for. */
  async refresh(): Promise<void> {
    const answering = this.#members.filter((member) => !this.#isQuiet(member));
    await Promise.all(answering.map(async (member) => member.ask(ANSWER_WITHIN_MS)));
  }

  /**
   * Ready when all workers that should listen do, and can sign. A worker that is being replaced does not count while
   * another listens, since it gets no connections. A hanging worker does get them.
   */
  readiness(): Readiness {
    const reasons = this.draining ? ['shutting down'] : [];
    // Each has credentials of its own; the reason is often the same.
    const addOwn = ({ report }: WorkerHandle): void => {
      for (const reason of report?.readiness.reasons ?? []) if (!reasons.includes(reason)) reasons.push(reason);
    };
    for (const { number, member } of this.#slots) {
      if (member?.state === 'listening' && this.#isQuiet(member)) {
        reasons.push(`worker ${number} says nothing`);
      } else if (member?.state === 'listening') {
        addOwn(member);
      } else if (!this.draining && (this.running === 0 || (member !== undefined && !member.isReplacement))) {
        reasons.push(`worker ${number} does not listen yet`);
        if (member !== undefined) addOwn(member);
      }
    }
    return { ready: reasons.length === 0, reasons };
  }

  /** Resolves when all have ended, by themselves or killed when the time is up. */
  async drain(timeoutMs: number): Promise<void> {
    this.#become('ending');
    for (const { timer } of this.#slots) clearTimeout(timer);
    for (const member of this.#members) member.drain();
    const timer = setTimeout(() => this.#killAll('shutdown_timeout is over; what is left is cut off'), timeoutMs);
    if (this.isAlive) await this.#ended.promise;
    clearTimeout(timer);
    clearInterval(this.#watch);
  }

  /** A pool never goes back. */
  #become(next: 'running' | 'ending'): void {
    if (this.#mode === 'ending' || this.#mode === next)
      throw new Error(`a pool that is ${this.#mode} does not become ${next}`);
    this.#mode = next;
  }

  get #members(): WorkerHandle[] {
    return this.#slots.flatMap(({ member }) => member ?? []);
  }

  #fill(slot: Slot, isReplacement = false): void {
    const { version, config, fork, nowMs } = this.#deps;
    slot.member = new WorkerHandle({
      start: { kind: 'start', slot: slot.number, version, config, isReplacement },
      fork,
      nowMs,
      listening: (_, listen) => this.#listening(listen),
      gone: (member, how) => this.#gone(slot, member, how),
    });
  }

  #listening(listen: string): void {
    if (this.#mode !== 'starting') return;
    this.#become('running');
    this.#started.resolve(listen);
    for (const slot of this.#slots) if (slot.member === undefined) this.#fill(slot);
  }

  #gone(slot: Slot, member: WorkerHandle, how: string): void {
    const { log, nowMs, retire, ended } = this.#deps;
    slot.member = undefined;
    if (member.report !== undefined) retire(member.report, slot.number);
    if (this.#mode === 'starting')
      this.#started.reject(
        member.failure ?? new WorkerStartError('cannot start', `worker ${slot.number} ended: ${how}`),
      );
    if (this.#mode === 'ending' && !this.isAlive) this.#ended.resolve(undefined);
    if (this.#mode !== 'running') return;
    ended(slot.number, how);
    const livedMs = nowMs() - member.startedAtMs;
    slot.shortLives = livedMs < LONG_LIFE_MS ? slot.shortLives + 1 : 0;
    const waitMs = slot.shortLives === 0 ? 0 : Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** (slot.shortLives - 1));
    log.error(
      { worker: slot.number, pid: member.pid, how, livedMs: Math.round(livedMs), waitMs },
      'a worker has ended; another takes its place',
    );
    slot.timer = setTimeout(() => {
      this.#restarts += 1;
      this.#fill(slot, true);
    }, waitMs);
  }

  #isQuiet({ heardAtMs }: WorkerHandle): boolean {
    return this.#deps.nowMs() - heardAtMs >= QUIET_MS;
  }

  #killSilent(): void {
    const nowMs = this.#deps.nowMs();
    const stoodStill = nowMs - this.#lookedAtMs >= STOOD_STILL_MS;
    this.#lookedAtMs = nowMs;
    for (const member of this.#members) {
      if (stoodStill) member.excuse();
      const silentMs = nowMs - member.heardAtMs;
      if (member.state === 'draining' || silentMs < SILENT_MS) continue;
      this.#deps.log.error(
        { worker: member.slot, pid: member.pid, silentMs: Math.round(silentMs) },
        'a worker says nothing any more and is killed',
      );
      member.kill(`said nothing for ${SILENT_MS / 1000} s`);
    }
  }

  #killAll(why: string): void {
    this.#deps.log.warn({ workers: this.#members.map(({ slot }) => slot) }, why);
    for (const member of this.#members) member.kill();
  }
}
