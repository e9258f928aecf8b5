/**
 * The queue: what a parcel costs on its way through ParcelQueue and Batcher, of 1, 16 and 200 merge keys and senders.
 *
 *     node bench/micro/queue.ts [seconds for each figure]
 */
import { NO_KERNEL_COST } from '../../src/codec/kernel-turns.ts';
import assert from 'node:assert/strict';
import { Batcher } from '../../src/batch/batcher.ts';
import { BufferPool } from '../../src/memory/buffer-pool.ts';
import { DestinationMetrics } from '../../src/metrics/counts.ts';
import { Fifo } from '../../src/batch/fifo.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { ParcelQueue } from '../../src/batch/parcel-queue.ts';
import { NEW_CONNECTION } from '../../src/parcel/connection-activity.ts';
import { sharedKey } from '../../src/parcel/merge-key.ts';
import { Parcel, type ParcelLedger } from '../../src/parcel/parcel.ts';
import { DELIVERED } from '../../src/outcome/outcome.ts';
import { compare } from './measure.ts';

/** A batch is 10 parcels of 500 samples and 30 KB, and full with them. */
const LIMITS = { maxSamples: 5000, maxBytes: 1e6 };
const PARCELS_OF_A_BATCH = 10;
const SAMPLES = 500;
const BODY_BYTES = 30_000;
const WAIT_MS = 50;

type From = { readonly mergeKey: string; readonly sender: string };

const pool = new BufferPool(256 << 20);
const metrics = new DestinationMetrics('bench', 'http://upstream.invalid/');
const ledger = new Ledger(metrics);
const NO_LEDGER: ParcelLedger = { close: () => {} };

function makeParcel({ mergeKey, sender }: From, keptBy: ParcelLedger): Parcel {
  const contents = {
    lease: pool.take(BODY_BYTES),
    rawBytes: 5 * BODY_BYTES,
    reachBytes: 65_536,
    elementsAt: 3,
    series: SAMPLES,
    samples: SAMPLES,
    histograms: 0,
    exemplars: 0,
    metadata: 0,
    minTimestampMs: 1_732_300_000_000,
    maxTimestampMs: 1_732_300_000_000,
    unknownFields: 0,
    dedupKey: mergeKey,
  };
  const connection = { ...NEW_CONNECTION, sender: { address: sender, isolatedAtMs: -Infinity, ...NO_KERNEL_COST } };
  const times = { arrivedAtMs: 0, deadlineAtMs: 25_000, queuedAtMs: 0 };
  const parcel = new Parcel(contents, times, sharedKey(mergeKey), connection, keptBy);
  if (keptBy === ledger) ledger.open(parcel);
  return parcel;
}

async function measure(keys: number, senders: number): Promise<void> {
  // The parcels arrive in this order: the keys and senders take turns.
  const parcels = Math.max(keys, senders) * PARCELS_OF_A_BATCH;
  const arrivals: From[] = Array.from({ length: parcels }, (_, index) => ({
    mergeKey: `cluster-${index % keys} replica-0`,
    sender: `10.0.0.${index % senders}`,
  }));
  const queue = new ParcelQueue(4 * arrivals.length * SAMPLES);
  const batcher = new Batcher(queue, LIMITS, WAIT_MS);
  const put = (parcel: Parcel): void => {
    if (!batcher.tryAdd(parcel, 0)) throw new Error('the queue has no room for a parcel');
  };
  const takeAll = (taken: (parcel: Parcel) => void): number => {
    let batches = 0;
    for (; ; batches += 1) {
      const batch = batcher.tryTake('shared', WAIT_MS);
      if (batch === undefined) return batches;
      for (const parcel of batch.parcels) taken(parcel);
    }
  };

  const made = arrivals.map((from) => makeParcel(from, NO_LEDGER));
  const putAndTake = (): number => {
    for (const parcel of made) put(parcel);
    return takeAll(() => {});
  };
  const wholeStay = (): number => {
    for (const from of arrivals) put(makeParcel(from, ledger));
    return takeAll((parcel) => {
      parcel.trySettle(DELIVERED);
      parcel.releaseBody();
    });
  };
  for (const work of [putAndTake, wholeStay]) {
    assert.equal(work(), parcels / PARCELS_OF_A_BATCH, 'batches are not full');
    assert.equal(queue.parcels + ledger.parcels, 0, 'parcels are left behind');
  }
  await compare(
    {
      title: `${keys} merge key${keys === 1 ? '' : 's'}, ${senders} sender${senders === 1 ? '' : 's'}`,
      unit: 'parcel',
      operations: parcels,
      showsAllocations: true,
    },
    [
      { name: 'put and taken', work: putAndTake },
      { name: 'made, put, taken, settled, given back', work: wholeStay },
    ],
  );
  for (const parcel of made) parcel.releaseBody();
}

/** A FIFO in which so many wait, as in an outage. */
async function measureFifo(waiting: number): Promise<void> {
  const fifo = new Fifo<From>();
  const array: From[] = [];
  const item: From = { mergeKey: '', sender: '' };
  for (let index = 0; index < waiting; index += 1) {
    fifo.push(item);
    array.push(item);
  }
  const operations = 100;
  await compare({ title: `a FIFO in which ${waiting} wait`, unit: 'item', operations, beside: ['Array'] }, [
    {
      name: 'Array',
      work: () => {
        for (let index = 0; index < operations; index += 1) {
          array.push(item);
          array.shift();
        }
      },
    },
    {
      name: 'Fifo',
      work: () => {
        for (let index = 0; index < operations; index += 1) {
          fifo.push(item);
          fifo.shift();
        }
      },
    },
  ]);
}

await measure(1, 1);
await measure(1, 16);
await measure(1, 200);
await measure(16, 16);
await measure(200, 200);
for (const waiting of [16, 1000, 100_000]) await measureFifo(waiting);
