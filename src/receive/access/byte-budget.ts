/**
 * Bounds the bytes that all senders together may make this process hold, and the size of one body. Both are checked on
 * the head of a request alone, before a byte of its body is read.
 */
import { formatSize } from '../../config/sizes.ts';
import { RequestError } from '../../outcome/errors.ts';

/** Throws BODY_TOO_LARGE. */
export function assertBodySize(bytes: number, maxBodyBytes: number): void {
  if (bytes <= maxBodyBytes) return;
  throw new RequestError(
    'BODY_TOO_LARGE',
    `body of ${megabytes(bytes)} exceeds limits.max_body_bytes (${formatSize(maxBodyBytes)}); ` +
      'raise it, or lower max_samples_per_send of the sender',
  );
}

/** One sender (an address) and the bytes it holds. */
export interface Holder {
  heldBytes: number;
}

/**
 * A sender may hold up to this many times the free bytes: one sender alone three quarters of the whole, two that flood
 * three sevenths each, so that some bytes always remain for the next sender (dynamic thresholds, as switches share
 * their buffers: Choudhury and Hahne, 1998).
 */
const SHARE_OF_FREE = 3;

/** Counts the bytes held from admission to outcome. */
export class ByteBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Throws OVER_INFLIGHT_BYTES if the budget, or the sender's share of it, is used up. */
  reserve(bytes: number, holder: Holder): void {
    const freeBytes = this.limitBytes - this.#usedBytes - bytes;
    const heldBytes = holder.heldBytes + bytes;
    if (freeBytes < 0) throw overBudget(`requests of ${megabytes(this.#usedBytes)} are being held`, this.limitBytes);
    // A sender's only request is never too much for its share.
    if (holder.heldBytes > 0 && heldBytes > SHARE_OF_FREE * freeBytes) {
      const held = `this sender's requests of ${megabytes(holder.heldBytes)} are its share of what is being held`;
      throw overBudget(held, this.limitBytes);
    }
    this.#usedBytes += bytes;
    holder.heldBytes = heldBytes;
  }

  /**
   * Counts bytes that admitted requests hold beside their bodies. They are never refused, but the next request may be.
   * @param bytes negative to release them
   */
  hold(bytes: number): void {
    this.#usedBytes += bytes;
  }

  release(bytes: number, holder: Holder): void {
    this.#usedBytes -= bytes;
    holder.heldBytes -= bytes;
  }
}

function overBudget(held: string, limitBytes: number): RequestError {
  return new RequestError(
    'OVER_INFLIGHT_BYTES',
    `${held}, and limits.max_inflight_bytes is ${formatSize(limitBytes)}; send again later`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
