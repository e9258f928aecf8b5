/**
 * decode: checks a whole body (snappy, then the WriteRequest inside) and counts what is in it. Makes no object per
 * series. It reads everything it needs from the decoded bytes before it returns, since the kernel reuses its memory.
 *
 * Throws RequestError (400, 413) for a body that would harm the batch that it joins.
 */
import { hash } from 'node:crypto';
import type { Lease } from '../memory/buffer-pool.ts';
import type { Kernel, Scan } from '../codec/kernel.ts';
import { readVarint } from '../codec/snappy/varint.ts';
import { RequestError } from '../outcome/errors.ts';
import type { Steps } from '../platform/steps.ts';
import type { ParcelContents } from '../parcel/parcel.ts';

/** Also the input of batch/split.ts, so that a request is not scanned again to be cut. */
export interface DecodedRequest extends ParcelContents {
  /** The most decoded bytes that a copy in the body reaches back. */
  readonly reachBytes: number;
}

/**
 * The compressed and decoded bytes that are decoded in one go: 5,000 samples of 800 bytes, or 25 ms of the worst body.
 */
const SMALL_BODY_BYTES = 1024 * 1024;
const SMALL_RAW_BYTES = 4 * 1024 * 1024;

/** Returns false for a body that must be decoded in steps. */
export function isSmall(body: Uint8Array): boolean {
  const rawBytes = readVarint(body) ?? 0;
  return body.length <= SMALL_BODY_BYTES && rawBytes <= SMALL_RAW_BYTES;
}

/** @param lease the compressed body; owned by the parcel when this returns, and by the caller when it throws */
export function decodeWriteRequest(kernel: Kernel, lease: Lease): DecodedRequest {
  return contentsOf(kernel.scan(lease.buffer), lease);
}

/**
 * Does the same as decodeWriteRequest, in steps of 25 ms at most. Nothing else may use the kernel until they have
 * ended.
 */
export function* decodeInSteps(kernel: Kernel, lease: Lease): Steps<DecodedRequest> {
  return contentsOf(yield* kernel.scanInSteps(lease.buffer), lease);
}

function contentsOf(scan: Readonly<Scan>, lease: Lease): DecodedRequest {
  // Skipping an unknown field or two is right; a message of nothing but unknown fields would be acknowledged and lost.
  if (scan.unknownFields > 0 && scan.series === 0 && scan.metadata === 0) {
    throw new RequestError(
      'BODY_NOT_WRITE_REQUEST',
      `body has ${scan.unknownFields} fields and none of them is of remote write 1.0 (is it 2.0?); nothing is forwarded`,
    );
  }
  return {
    lease,
    rawBytes: scan.rawBytes,
    reachBytes: scan.reachBytes,
    elementsAt: scan.elementsAt,
    series: scan.series,
    samples: scan.samples,
    histograms: scan.histograms,
    exemplars: scan.exemplars,
    metadata: scan.metadata,
    minTimestampMs: scan.minTimestampMs,
    maxTimestampMs: scan.maxTimestampMs,
    unknownFields: scan.unknownFields,
    dedupKey: dedupKeyOf(scan.cluster, scan.replica),
  };
}

/**
 * AMP deduplicates a whole request by the `cluster` and `__replica__` labels of its first series, when it has both
 * (https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-ingest-dedupe.html; Cortex's distributor). So requests
 * with both are joined only with requests that agree in both; all others may be joined with each other.
 */
function dedupKeyOf(cluster: string, replica: string): string {
  if (cluster === '' || replica === '') return '';
  const key = `${cluster.length}:${cluster}${replica}`;
  return key.length <= LONGEST_KEY ? key : `${key.length}#${hash('sha256', Buffer.from(key, 'latin1'))}`;
}

/** Label values are not bounded otherwise, and keys are kept. */
const LONGEST_KEY = 300;
