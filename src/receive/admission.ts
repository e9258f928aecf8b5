/**
 * Admission: what is refused by the head of a request alone, before a byte of its body is read, and the byte budget
 * that bounds what all senders together may make this process hold.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { formatSize } from '../config/sizes.ts';
import { RequestError } from '../errors.ts';

export interface ByteLimits {
  /** Compressed bytes of one body. */
  readonly maxBodyBytes: number;
  /** Compressed bytes of all bodies in the house. */
  readonly maxInflightBytes: number;
}

const SUPPORTED =
  'supported is Prometheus remote write 1.0: Content-Type: application/x-protobuf, Content-Encoding: snappy';

/** Throws UNSUPPORTED_ENCODING unless the head is that of remote write 1.0. */
export function assertRemoteWrite1(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'];
  if (type !== 'application/x-protobuf') assertContentType(type);
  const encoding = headers['content-encoding'];
  if (encoding !== 'snappy' && encoding?.trim().toLowerCase() !== 'snappy') {
    throw new RequestError(
      'UNSUPPORTED_ENCODING',
      `Content-Encoding ${quoted(encoding)} is not accepted; ${SUPPORTED}`,
    );
  }
}

/** Parameters may follow; `proto=` other than prometheus.WriteRequest is remote write 2.0. */
function assertContentType(value: string | undefined): void {
  const [type = '', ...parameters] = (value ?? '').split(';').map((part) => part.trim());
  const proto = parameters.find((parameter) => parameter.toLowerCase().startsWith('proto='));
  if (type.toLowerCase() !== 'application/x-protobuf') {
    throw new RequestError('UNSUPPORTED_ENCODING', `Content-Type ${quoted(value)} is not accepted; ${SUPPORTED}`);
  }
  if (proto !== undefined && proto.slice('proto='.length).replaceAll('"', '') !== 'prometheus.WriteRequest') {
    const remedy = 'set protobuf_message: prometheus.WriteRequest in the remote_write section of the sender';
    throw new RequestError(
      'UNSUPPORTED_ENCODING',
      `remote write 2.0 (${quoted(value)}) is not accepted; ${SUPPORTED}; ${remedy}`,
    );
  }
}

/** What a sender wrote, short enough to read and without control characters. */
function quoted(value: string | undefined): string {
  if (value === undefined) return '(none)';
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}...` : value);
}

/** Throws BODY_TOO_LARGE. */
export function assertBodySize(bytes: number, maxBodyBytes: number): void {
  if (bytes <= maxBodyBytes) return;
  throw new RequestError(
    'BODY_TOO_LARGE',
    `body of ${megabytes(bytes)} exceeds limits.max_body_bytes (${formatSize(maxBodyBytes)}); ` +
      'raise it, or lower max_samples_per_send of the sender',
  );
}

/** Bytes held from admission to outcome. */
export class ByteBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  tryReserve(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

export function overBudget(budget: ByteBudget): RequestError {
  return new RequestError(
    'OVER_INFLIGHT_BYTES',
    `requests of ${megabytes(budget.usedBytes)} are being held, and limits.max_inflight_bytes is ` +
      `${formatSize(budget.limitBytes)}; send again later`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
