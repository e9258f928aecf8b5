import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DestinationMetrics } from '../../src/metrics/counts.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import { DEDUPLICATED, DELIVERED, type Outcome } from '../../src/outcome/outcome.ts';
import { makeDestinationMetrics, makeParcel } from '../support/parcels.ts';

function makeLedger(): { ledger: Ledger; metrics: DestinationMetrics } {
  const metrics = makeDestinationMetrics();
  return { ledger: new Ledger(metrics), metrics };
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

const OUTCOMES: readonly Outcome[] = [
  DELIVERED,
  DEDUPLICATED,
  { kind: 'rejected', status: 400, reason: 'other', message: '' },
  { kind: 'rejected', status: 413, reason: 'too_large', message: '' },
  { kind: 'refused', reason: 'queue_full', message: '' },
  { kind: 'refused', reason: 'sender_gone', message: '' },
];

test('received = delivered + rejected + refused + pending, at any moment', () => {
  const step = fc.oneof(
    fc.record({ samples: fc.nat(50), histograms: fc.nat(20), deadlineAtMs: fc.nat(1000) }),
    fc.record({ settle: fc.nat(100), outcome: fc.constantFrom(...OUTCOMES) }),
    fc.record({ sweepUntilMs: fc.nat(1000) }),
    fc.constant('refuseAll' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
      const { ledger, metrics } = makeLedger();
      const parcels: Parcel[] = [];
      let received = 0;
      for (const each of steps) {
        if (each === 'refuseAll') {
          ledger.refuseAll({ kind: 'refused', reason: 'draining', message: '' });
        } else if ('sweepUntilMs' in each) {
          ledger.sweep(each.sweepUntilMs, '');
        } else if ('settle' in each) {
          parcels[each.settle % Math.max(1, parcels.length)]?.trySettle(each.outcome);
        } else {
          parcels.push(makeParcel(each, ledger));
          received += each.samples + each.histograms;
        }
        const open = parcels.filter((parcel) => !parcel.settled);
        const pending = open.reduce((total, parcel) => total + parcel.sampleCount, 0);
        expect(metrics.received).toBe(received);
        expect(metrics.pending).toBe(pending);
        expect(metrics.pendingSamples + metrics.pendingHistograms).toBe(pending);
        expect(metrics.delivered + sum(metrics.rejected) + sum(metrics.refused) + metrics.pending).toBe(received);
        expect(ledger.parcels).toBe(open.length);
      }
    }),
  );
});

test('each outcome has its own count', () => {
  const { ledger, metrics } = makeLedger();
  for (const [index, outcome] of OUTCOMES.entries()) makeParcel({ samples: 10 ** index }, ledger).trySettle(outcome);
  expect(metrics).toMatchObject({ received: 111_111, delivered: 11, deduplicated: 10, pending: 0 });
  expect(Object.fromEntries(metrics.rejected)).toEqual({ 400: 100, 413: 1000 });
  expect(Object.fromEntries(metrics.refused)).toEqual({ queue_full: 10_000, sender_gone: 100_000 });
});

test("rejected samples count as failed in Prometheus's metrics; refused ones do not", () => {
  const { ledger, metrics } = makeLedger();
  makeParcel({ samples: 3, histograms: 2 }, ledger).trySettle({
    kind: 'rejected',
    status: 400,
    reason: 'other',
    message: '',
  });
  makeParcel({ samples: 7 }, ledger).trySettle({ kind: 'refused', reason: 'queue_full', message: '' });
  expect([metrics.failedSamples, metrics.failedHistograms]).toEqual([3, 2]);
});

test('sweep refuses what is due by then and leaves the rest', async () => {
  const { ledger } = makeLedger();
  const due = makeParcel({ deadlineAtMs: 500 }, ledger);
  const later = makeParcel({ deadlineAtMs: 501 }, ledger);
  ledger.sweep(500, 'upstream answered 503');
  expect([due.settled, later.settled]).toEqual([true, false]);
  expect(due.outcome).toMatchObject({ kind: 'refused', reason: 'delivery_timeout' });
  expect(due.outcome).toMatchObject({ message: expect.stringContaining('upstream answered 503') });
});

test('knows the newest timestamp received and the newest delivered, whatever the order', () => {
  const { ledger, metrics } = makeLedger();
  makeParcel({ maxTimestampMs: 900 }, ledger);
  makeParcel({ maxTimestampMs: 700 }, ledger).trySettle(DELIVERED);
  makeParcel({ maxTimestampMs: 600 }, ledger).trySettle(DELIVERED);
  makeParcel({ maxTimestampMs: Number.NaN }, ledger).trySettle(DELIVERED);
  makeParcel({ maxTimestampMs: 800 }, ledger).trySettle({
    kind: 'rejected',
    status: 400,
    reason: 'other',
    message: '',
  });
  expect([metrics.highestTimestampMs, metrics.highestSentTimestampMs]).toEqual([900, 700]);
});

test('counts once what is settled by another that is refused in the same sweep', () => {
  const { ledger, metrics } = makeLedger();
  const parcels = [1, 10, 100].map((samples) => makeParcel({ samples, deadlineAtMs: 5 }, ledger));
  const [first, second] = parcels;
  if (first === undefined || second === undefined) throw new Error('no parcels');
  first.onSettled = () => void second.trySettle(DELIVERED);
  ledger.sweep(5, '');
  expect(metrics.delivered).toBe(10);
  expect(metrics.refused).toEqual(new Map([['delivery_timeout', 101]]));
  expect(ledger.parcels).toBe(0);
});
