/**
 * The key for one day's signatures. It stands in for the secret: whoever has it can sign for that day, region and
 * service, so it is kept out of every log, JSON and inspection.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#calculate-signature
 */
import { createHmac, hash } from 'node:crypto';

/** The block size and hash size of SHA-256, in bytes. */
const BLOCK = 64;
const HASH = 32;

/**
 * HMAC-SHA-256 with one key, computed by two hashes: Node's Hmac would create an object and an OpenSSL context for
 * every signature.
 */
export class SigningKey {
  /** The key's inner block, then the text. https://www.rfc-editor.org/rfc/rfc2104#section-2 */
  #inner: Buffer;
  /** The key's outer block, then the hash of the inner. */
  readonly #outer = Buffer.alloc(BLOCK + HASH, 0x5c);

  /** @param day as YYYYMMDD, UTC */
  constructor(secretAccessKey: string, day: string, region: string, service: string) {
    const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
      (above, part) => createHmac('sha256', above).update(part).digest(),
      `AWS4${secretAccessKey}`,
    );
    this.#inner = Buffer.alloc(BLOCK, 0x36);
    for (const [index, byte] of Buffer.from(key).entries()) {
      this.#inner[index] = byte ^ 0x36;
      this.#outer[index] = byte ^ 0x5c;
    }
  }

  /** @param text of Latin-1 characters @returns in hexadecimal digits */
  sign(text: string): string {
    // All texts for one key have the same length.
    if (this.#inner.length !== BLOCK + text.length) {
      this.#inner = Buffer.concat([this.#inner.subarray(0, BLOCK), Buffer.alloc(text.length)]);
    }
    this.#inner.write(text, BLOCK, 'latin1');
    // The hash is written as text, since a Buffer would be an allocation.
    this.#outer.write(hash('sha256', this.#inner, 'latin1'), BLOCK, 'latin1');
    return hash('sha256', this.#outer);
  }
}
