/**
 * Reads the heads of one connection. Consecutive heads mostly differ in nothing but the length, so the next one need
 * not be parsed: equal bytes mean the same.
 */
import { tryParseHead, type RequestHead } from './request-head.ts';

const HEAD_END = '\r\n\r\n';
const MAX_HEAD_BYTES = 8 * 1024;
const CONTENT_LENGTH = /\r\ncontent-length:[\t ]*(\d+)/i;
const MAX_DIGITS = 10;
const ZERO = 0x30;
/** The number of consecutive mismatches after which heads are no longer remembered. */
const MAX_MISSES = 4;

export class HeadReader {
  /** The position where the body of the last head begins. */
  bodyAt = 0;
  /** The last head including the empty line that ends it, without the digits of its length. */
  #bytes: Buffer | undefined;
  /** The position of the digits. */
  #digitsAt = 0;
  #head: RequestHead | undefined;
  #misses = 0;

  /** Returns undefined if the bytes from `at` to `end` do not begin with a whole head that tryParseHead accepts. */
  tryRead(chunk: Buffer, at: number, end: number): RequestHead | undefined {
    const recalled = this.#tryRecall(chunk, at, end);
    if (recalled !== undefined) {
      this.#misses = 0;
      return recalled;
    }
    const headEnd = chunk.indexOf(HEAD_END, at, 'latin1');
    const bodyAt = headEnd + HEAD_END.length;
    if (headEnd === -1 || bodyAt > end || headEnd - at > MAX_HEAD_BYTES) return undefined;
    const head = tryParseHead(chunk.toString('latin1', at, headEnd));
    this.bodyAt = bodyAt;
    if (head !== undefined && this.#misses < MAX_MISSES) this.#remember(chunk.subarray(at, bodyAt), head);
    return head;
  }

  #remember(bytes: Buffer, head: RequestHead): void {
    const found = CONTENT_LENGTH.exec(bytes.toString('latin1'));
    if (found === null || bytes.length + MAX_DIGITS > MAX_HEAD_BYTES) return; // another length could make it too long
    const [line, digits = ''] = found;
    const digitsEnd = found.index + line.length;
    this.#misses += 1;
    this.#digitsAt = digitsEnd - digits.length;
    this.#bytes = Buffer.concat([bytes.subarray(0, this.#digitsAt), bytes.subarray(digitsEnd)]);
    this.#head = head;
  }

  /** Returns the head at `at` if it equals the remembered one in all but the length. */
  #tryRecall(chunk: Buffer, at: number, end: number): RequestHead | undefined {
    const bytes = this.#bytes;
    const head = this.#head;
    if (bytes === undefined || head === undefined) return undefined;
    const digitsAt = this.#digitsAt;
    let position = at;
    for (let i = 0; i < digitsAt; i += 1, position += 1) if (chunk[position] !== bytes[i]) return undefined;
    const digitsFrom = position;
    let contentLength = 0;
    for (; position < digitsFrom + MAX_DIGITS; position += 1) {
      const digit = (chunk[position] ?? 0) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      contentLength = contentLength * 10 + digit;
    }
    if (position === digitsFrom) return undefined;
    for (let i = digitsAt; i < bytes.length; i += 1, position += 1) if (chunk[position] !== bytes[i]) return undefined;
    if (position > end) return undefined; // the rest are bytes of something earlier
    this.bodyAt = position;
    const { path, contentType, contentEncoding, authorization } = head;
    return { path, contentLength, contentType, contentEncoding, authorization };
  }
}
