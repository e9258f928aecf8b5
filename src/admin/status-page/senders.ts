/**
 * Senders: who writes, how much, and what they were told last. Addresses that have gone are remembered until their place
 * is needed, so that a sender that went silent is seen.
 */
import type { SendersStatus, SenderRow } from '../snapshot.ts';
import type { SenderSource } from './sender-source.ts';
import { redact } from '../../outcome/redact.ts';

export const MAX_ROWS = 25;
/** Addresses remembered. */
export const MAX_KNOWN = 1_000;
/** Of these seconds a rate is the mean, by a decaying average; Prometheus sends in bursts. */
const WINDOW_MS = 10_000;
/** A sender is shown as isolated for as long after a request that was. */
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
  /** In the order of their last request, the latest last; only roughly, as it is looked at once a second. */
  readonly #known = new Map<string, Known>();
  #readAtMs = 0;
  #connected = 0;
  /** Of those, for which there was no room. */
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
    // Those that have gone make room for others, the one that is longest gone first.
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

  /** @param monotonicMs what `isolatedAtMs` is counted in */
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

  /** Undefined when there is no room for another. */
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
    // What is left of the decaying average of one that has stopped.
    requestsPerSecond: requestsPerSecond < 0.005 ? 0 : requestsPerSecond,
    samplesPerSecond: samplesPerSecond < 0.05 ? 0 : samplesPerSecond,
    lastStatus,
    lastRefusal: redact(refusalOf(lastStatus, lastRefusal)),
    isolated: monotonicMs - isolatedAtMs < ISOLATED_SHOWN_MS,
    lastRequestAtMs,
  };
}

/** Of what is to be sent again, the reason alone: what the upstream said is told once, not for every sender. */
function refusalOf(status: number, refusal: string): string {
  if (status < 300) return '';
  return status === 503 ? (refusal.split(';', 1)[0] ?? '') : refusal;
}
