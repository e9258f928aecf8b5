/**
 * The judge: after a fault has ended, compares what senders were told with what arrived in the sandbox. It knows
 * nothing of the proxy.
 */
import { expect } from 'vitest';
import type { SandboxClient } from '../../src/dev/sandbox/client.ts';
import type { RequestLogEntry } from '../../src/dev/sandbox/ledger.ts';
import { hexOf, keyOf, type LedgerSender, type SentRequest, type SentSeries } from './sending.ts';

export interface Judgement {
  /** Samples that a sender was told 2xx for, and where each should be. */
  readonly acknowledged: number;
  /** Samples and histograms in the sandbox. */
  readonly stored: number;
  /** Replicas of which AMP keeps nothing, as another one is elected: `cluster/replica`. */
  readonly standby: readonly string[];
}

/**
 * Nothing acknowledged is missing, every value has the bits that were sent, the samples of a series are in the order of
 * sending, and nothing arrived that nobody sent (unless there are strangers, who keep no ledger).
 */
export async function expectNothingLost(
  client: SandboxClient,
  senders: readonly LedgerSender[],
  { withStrangers = false }: { readonly withStrangers?: boolean } = {},
): Promise<Judgement> {
  const stored = await readStored(client);
  const sent = senders.flatMap(({ requests }) => requests);
  const elected = new Set<string>();
  const known = new Set<string>();
  for (const { series } of sent) {
    for (const one of series) {
      const place = placeOf(one);
      for (const sample of samplesOf(one)) {
        known.add(`${place.key} ${sample}`);
        if (place.replica !== undefined && stored.get(place.key)?.has(sample)) elected.add(place.replica);
      }
    }
  }

  const missing: string[] = [];
  const standby = new Set<string>();
  const expected = new Map<string, Set<string>>();
  let acknowledged = 0;
  for (const { series, answer } of sent) {
    if (answer === undefined || answer.status < 200 || answer.status >= 300) continue;
    for (const one of series) {
      const place = placeOf(one);
      const samples = samplesOf(one);
      acknowledged += samples.length;
      if (place.replica !== undefined && !elected.has(place.replica)) {
        standby.add(place.replica);
        continue;
      }
      const inOrder = expected.get(place.key) ?? new Set();
      expected.set(place.key, inOrder);
      for (const sample of samples) {
        inOrder.add(sample);
        if (!stored.get(place.key)?.has(sample)) missing.push(`${place.key} ${sample}`);
      }
    }
  }
  expect(missing, 'acknowledged, and not in the sandbox with these bits').toEqual([]);
  const invented = [...stored].flatMap(([key, samples]) =>
    [...samples].filter((sample) => !known.has(`${key} ${sample}`)).map((sample) => `${key} ${sample}`),
  );
  if (!withStrangers) expect(invented, 'in the sandbox, and sent by nobody').toEqual([]);
  for (const [key, samples] of expected) {
    const arrived = [...(stored.get(key) ?? [])].filter((sample) => samples.has(sample));
    expect(arrived, `order of arrival of ${key}`).toEqual([...samples]);
  }
  for (const cluster of new Set([...standby].map(clusterOf))) {
    expect([...elected].map(clusterOf), 'every highly available pair has an elected replica').toContain(cluster);
  }
  return {
    acknowledged,
    stored: [...stored.values()].reduce((sum, samples) => sum + samples.size, 0),
    standby: [...standby],
  };
}

/**
 * Every upstream request that was accepted is a concatenation of whole requests of senders, those of one sender in the
 * order of sending. For senders whose requests have series of their own (`makeSeries`).
 * @returns what each upstream request was joined of, in order
 */
export function expectConcatenations(
  log: readonly RequestLogEntry[],
  senders: readonly LedgerSender[],
): SentRequest[][] {
  const byFirstKey = new Map<string, { sent: SentRequest; index: number; keys: string[] }>();
  for (const { requests } of senders) {
    for (const [index, sent] of requests.entries()) {
      const keys = sent.series.map(({ labels }) => keyOf(labels));
      byFirstKey.set(keys[0] ?? '', { sent, index, keys });
    }
  }
  const last = new Map<string, number>();
  return log
    .filter(({ status }) => status !== null && status >= 200 && status < 300)
    .map(({ seriesKeys }) => {
      const parts: SentRequest[] = [];
      for (let at = 0; at < seriesKeys.length;) {
        const part = byFirstKey.get(seriesKeys[at] ?? '');
        if (part === undefined) throw new Error(`no request of a sender begins with ${seriesKeys[at]}`);
        const { sent, index, keys } = part;
        expect(seriesKeys.slice(at, at + keys.length)).toEqual(keys);
        expect(index, `requests of ${sent.sender} in order`).toBeGreaterThan(last.get(sent.sender) ?? -1);
        last.set(sent.sender, index);
        parts.push(sent);
        at += keys.length;
      }
      return parts;
    });
}

/** Reads by series, in order of arrival: `timestamp bits`, or `histogram hex`. */
async function readStored(client: SandboxClient): Promise<Map<string, Set<string>>> {
  const documents = await client.series();
  return new Map(
    documents.map(({ labels, samples, histograms }) => [
      keyOf(labels),
      new Set([...samples.map(([at, hex]) => `${at} ${hex}`), ...histograms.map(([, hex]) => `histogram ${hex}`)]),
    ]),
  );
}

function samplesOf({ samples, histograms = [] }: SentSeries): string[] {
  return [
    ...samples.map(([timestampMs, valueBits]) => `${timestampMs} ${hexOf(valueBits)}`),
    ...histograms.map((encoded) => `histogram ${Buffer.from(encoded).toString('hex')}`),
  ];
}

/** AMP takes `__replica__` off, and keeps the samples of one replica of a cluster. */
function placeOf({ labels }: SentSeries): { key: string; replica: string | undefined } {
  const { __replica__: replica, ...kept } = labels;
  if (replica === undefined || labels['cluster'] === undefined) return { key: keyOf(labels), replica: undefined };
  return { key: keyOf(kept), replica: `${labels['cluster']}/${replica}` };
}

function clusterOf(replica: string): string {
  return replica.slice(0, replica.lastIndexOf('/'));
}
