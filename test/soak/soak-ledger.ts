/**
 * The answers to senders, kept small enough for a soak of hours: per series the timestamps and values of acknowledged
 * samples. The judge asks the sandbox series by series.
 */
import type { SandboxClient } from '../../src/dev/sandbox/client.ts';
import { hexOf, keyOf, type LedgerSender } from '../support/sending.ts';

interface AcknowledgedSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly timestamps: number[];
  readonly bits: bigint[];
}

export interface SoakVerdict {
  readonly acknowledged: number;
  readonly missing: number;
  readonly disordered: number;
}

export class SoakLedger {
  readonly #series = new Map<string, AcknowledgedSeries>();
  /** Answers by status; 0 is none. */
  readonly statuses = new Map<number, number>();
  slowestMs = 0;

  /** Takes over what the sender has been told, and empties its own ledger. */
  absorb(sender: LedgerSender): void {
    for (const { answer, series, tookMs = 0 } of sender.requests.splice(0)) {
      const status = answer?.status ?? 0;
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      this.slowestMs = Math.max(this.slowestMs, tookMs);
      if (status < 200 || status >= 300) continue;
      for (const { labels, samples } of series) {
        const known = this.#ensure(labels);
        for (const [timestampMs, valueBits] of samples) {
          known.timestamps.push(timestampMs);
          known.bits.push(valueBits);
        }
      }
    }
  }

  get acknowledged(): number {
    let sum = 0;
    for (const { timestamps } of this.#series.values()) sum += timestamps.length;
    return sum;
  }

  /** One replica of a pair is elected for good; samples of the other that got a 2xx are not stored. */
  async judge(client: SandboxClient): Promise<SoakVerdict> {
    let missing = 0;
    let disordered = 0;
    const standby: number[] = [];
    for (const { labels, timestamps, bits } of this.#series.values()) {
      const { __replica__: replica, ...kept } = labels;
      const stored = await readSeries(client, kept);
      if (replica !== undefined && stored.size === 0) {
        standby.push(timestamps.length);
        continue;
      }
      for (const [index, timestampMs] of timestamps.entries()) {
        if (stored.get(String(timestampMs)) !== hexOf(bits[index] ?? 0n)) missing += 1;
      }
      disordered += countDisordered([...stored.keys()].map(Number), new Set(timestamps));
    }
    const replicas = [...this.#series.values()].filter(({ labels }) => labels['__replica__'] !== undefined);
    // One of the two has to be there.
    if (replicas.length > 0 && standby.length === replicas.length) missing += standby.reduce((sum, n) => sum + n, 0);
    return { acknowledged: this.acknowledged, missing, disordered };
  }

  #ensure(labels: Readonly<Record<string, string>>): AcknowledgedSeries {
    const key = keyOf(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const made: AcknowledgedSeries = { labels, timestamps: [], bits: [] };
    this.#series.set(key, made);
    return made;
  }
}

/** Acknowledged samples that arrived after a later one of their series. */
export function countDisordered(arrived: readonly number[], acknowledged: ReadonlySet<number>): number {
  let count = 0;
  let latest = -Infinity;
  for (const timestampMs of arrived) {
    if (!acknowledged.has(timestampMs)) continue;
    if (timestampMs < latest) count += 1;
    latest = Math.max(latest, timestampMs);
  }
  return count;
}

/** Value by timestamp, in order of first arrival. */
async function readSeries(
  client: SandboxClient,
  labels: Readonly<Record<string, string>>,
): Promise<Map<string, string>> {
  const { sender = '', index = '' } = labels;
  const stored = new Map<string, string>();
  for (const { samples } of await client.series(`{sender="${sender}", index="${index}"}`)) {
    for (const [timestampMs, hex] of samples) if (!stored.has(timestampMs)) stored.set(timestampMs, hex);
  }
  return stored;
}
