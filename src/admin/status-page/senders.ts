/**
 * Senders: which addresses write, how much, and their last answers. Addresses that have gone are remembered until their
 * place is needed, so that a sender that fell silent is seen.
 */
import type { SendersStatus, SenderRow } from '../snapshot.ts';
import type { SenderSource } from './sender-source.ts';
import { redact } from '../../outcome/redact.ts';

export const MAX_ROWS = 25;
/** The most addresses that are remembered. */
export const MAX_KNOWN = 1_000;
/** A rate is the decaying average over this time, since Prometheus sends in bursts. */
const WINDOW_MS = 10_000;
/** A sender is shown as isolated for this long after an isolated request. */
const ISOLATED_SHOWN_MS = 30_000;

interface Known {
  /** Its counts start again when the address comes back after its last connection has ended. */
  source: SenderSource;
  requests: number;
  samples: number;
  requestsPerSecond: number;
  samplesPerSecond: number;
  /** ms since the epoch; 0 for never. */
  lastRequestAtMs: number;
}

export class Senders {
  readonly #sources: () => Iterable<SenderSource>;
  /** In the order of their last request, the latest last; only roughly, as it is updated once a second. */
  readonly #known = new Map<string, Known>();
  #readAtMs = 0;
  #connected = 0;
  /** The number of connected addresses for which there was no place. */
  #untracked = 0;

  constructor(sources: () => Iterable<SenderSource>) {
    this.#sources = sources;
  }

  /** @param nowMs since the epoch */
  record(nowMs: number): void {
    const elapsedMs = Math.max(1, nowMs - this.#readAtMs);
    const sampleCount = this.#readAtMs === 0 ? 1 : 1 - Math.exp(-elapsedMs / WINDOW_MS);
    const isFirst = this.#readAtMs === 0;
    this.#readAtMs = nowMs;
    this.#connected = 0;
    const seen = new Set<Known>();
    for (const source of this.#sources()) {
      this.#connected += 1;
      const known = this.#know(source, nowMs);
      if (known === undefined) continue;
      const { requests, samples } = source;
      const moved = requests - known.requests;
      const perSecond = isFirst ? 0 : 1000 / elapsedMs;
      known.requestsPerSecond += sampleCount * (moved * perSecond - known.requestsPerSecond);
      known.samplesPerSecond += sampleCount * ((samples - known.samples) * perSecond - known.samplesPerSecond);
      known.requests = requests;
      known.samples = samples;
      if (moved > 0) this.#touch(known, nowMs);
      seen.add(known);
    }
    // Addresses that have gone give way to others, the one that left first before the rest.
    let crowded = this.#connected - seen.size;
    for (const [address, known] of this.#known) {
      if (seen.has(known)) continue;
      known.requestsPerSecond *= 1 - sampleCount;
      known.samplesPerSecond *= 1 - sampleCount;
      if (crowded > 0) this.#known.delete(address);
      crowded -= 1;
    }
    this.#untracked = this.#connected - seen.size;
  }

  /** @param monotonicMs the clock of `isolatedAtMs` */
  status(monotonicMs: number): SendersStatus {
    const known = [...this.#known.values()].toSorted(
      (a, b) => b.samplesPerSecond - a.samplesPerSecond || b.lastRequestAtMs - a.lastRequestAtMs,
    );
    return {
      connected: this.#connected,
      rows: known.slice(0, MAX_ROWS).map((one) => rowOf(one, monotonicMs)),
      more: Math.max(0, known.length - MAX_ROWS) + this.#untracked,
    };
  }

  /** Returns undefined when there is no place for another. */
  #know(source: SenderSource, nowMs: number): Known | undefined {
    const known = this.#known.get(source.address);
    if (known?.source === source) return known;
    if (known !== undefined) {
      Object.assign(known, { source, requests: 0, samples: 0 });
      return known;
    }
    if (this.#known.size >= MAX_KNOWN) return undefined;
    const { requests, samples } = source;
    const fresh = { source, requests, samples, requestsPerSecond: 0, samplesPerSecond: 0, lastRequestAtMs: 0 };
    this.#touch(fresh, requests > 0 ? nowMs : 0);
    return fresh;
  }

  #touch(known: Known, nowMs: number): void {
    known.lastRequestAtMs = nowMs;
    this.#known.delete(known.source.address);
    this.#known.set(known.source.address, known);
  }
}

function rowOf(known: Known, monotonicMs: number): SenderRow {
  const { source, requestsPerSecond, samplesPerSecond, lastRequestAtMs } = known;
  const { address, connections, lastStatus, lastRefusal, isolatedAtMs } = source;
  return {
    address: redact(address),
    connections,
    // A tiny remainder of the decaying average of a sender that stopped counts as 0.
    requestsPerSecond: requestsPerSecond < 0.005 ? 0 : requestsPerSecond,
    samplesPerSecond: samplesPerSecond < 0.05 ? 0 : samplesPerSecond,
    lastStatus,
    lastRefusal: redact(refusalOf(lastStatus, lastRefusal)),
    isolated: monotonicMs - isolatedAtMs < ISOLATED_SHOWN_MS,
    lastRequestAtMs,
  };
}

/** For answers that ask to resend, only the reason is kept: the upstream's text is shown once, not for every sender. */
function refusalOf(status: number, refusal: string): string {
  if (status < 300) return '';
  return status === 503 ? (refusal.split(';', 1)[0] ?? '') : refusal;
}
