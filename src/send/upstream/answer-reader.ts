/**
 * Reads one answer of HTTP/1.1 after another: status line and headers, then a body of a declared length, in chunks, or
 * up to the end of the connection. The beginning of the body is kept. Anything doubtful is a fault and never an answer,
 * since a 2xx tells senders to forget their data. https://www.rfc-editor.org/rfc/rfc9112
 */
import { fieldValue, TEXT, TOKEN } from '../../platform/header-field.ts';

/** The bytes are not an answer of HTTP/1.1. */
export class AnswerFault extends Error {}

/** An alert of TLS came in place of an answer: the port speaks nothing but TLS. */
export class TlsInsteadOfHttp extends AnswerFault {}

/** The bytes of a body that are kept for the log and the sender. */
export const MESSAGE_BYTES = 1024;
/** The bytes of a body that are read before its connection is given up. */
export const MAX_BODY_BYTES = 64 * 1024;
/** The limit for a head, a trailer, and the line with a chunk's size. */
const MAX_HEAD_BYTES = 16 * 1024;

const NOTHING = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';
/** The beginning of every answer. */
const BEGINNING = 'HTTP/1.';
const QUOTED = String.raw`"(?:[\t\x20!#-\[\]-~\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"`;
/** Status line, then header lines without folding or white space before the colon. */
const FORM = new RegExp(String.raw`^HTTP/1\.([01]) ([1-9]\d\d)(?: ${TEXT})?(?:\r\n${TOKEN}:${TEXT})*$`);
const LENGTH = /^\d{1,15}$/;
const CHUNK_SIZE = new RegExp(String.raw`^([\dA-Fa-f]{1,8})(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`);
const TRAILER = new RegExp(`^${TOKEN}:${TEXT}$`);

type State = 'head' | 'body' | 'chunk size' | 'chunk' | 'chunk end' | 'trailer' | 'until close' | 'whole';

export class AnswerReader {
  status = 0;
  retryAfter: string | undefined;
  date: string | undefined;
  /** The header as received, limited by the size of a head. */
  errorType: string | undefined;
  /** True if the connection may carry another request when the answer is complete. */
  reusable = false;
  /** The seconds for which the other side keeps an idle connection, if it says so. */
  keepAliveSeconds = Infinity;
  #state: State = 'head';
  /** Bytes that have arrived but are not enough to continue. */
  #held: Buffer = NOTHING;
  /** The bytes of the body or chunk that are still to come. */
  #remaining = 0;
  #bodyBytes = 0;
  #kept: Buffer[] = [];

  get whole(): boolean {
    return this.#state === 'whole';
  }

  /** Prepares for the next answer. */
  begin(): void {
    this.#state = 'head';
    this.#held = NOTHING;
    this.#bodyBytes = 0;
    this.#kept = [];
  }

  /** The beginning of the body. Empty before the answer is complete. */
  get message(): Buffer {
    return Buffer.concat(this.#kept);
  }

  /** Returns true when the answer is complete; the bytes may then be reused. Throws AnswerFault. */
  push(bytes: Buffer): boolean {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    let at = 0;
    while (this.#state !== 'whole') {
      const next = this.#step(all, at);
      if (next === undefined) {
        if (all.length - at > MAX_HEAD_BYTES) throw new AnswerFault(`${this.#state} of over ${MAX_HEAD_BYTES} bytes`);
        this.#held = Buffer.from(all.subarray(at)); // copies
        return false;
      }
      at = next;
    }
    // Further bytes cannot be an answer, since nothing else was requested yet.
    if (at < all.length) this.reusable = false;
    return true;
  }

  /** Called when the connection has ended. Returns true if that is how the answer ends. */
  end(): boolean {
    return this.#state === 'until close';
  }

  /**
   * Uses up some of the bytes from `at` on and returns the new position; undefined if it needs more bytes to continue.
   */
  #step(bytes: Buffer, at: number): number | undefined {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at);
      case 'body':
        return this.#readBody(bytes, at, 'whole');
      case 'chunk':
        return this.#readBody(bytes, at, 'chunk end');
      case 'until close':
        return this.#readBody(bytes, at, 'until close');
      case 'chunk size':
        return this.#readChunkSize(bytes, at);
      case 'chunk end':
        if (bytes.length - at < 2) return undefined;
        if (bytes.toString('latin1', at, at + 2) !== '\r\n')
          throw new AnswerFault('a chunk that is longer than it says');
        this.#state = 'chunk size';
        return at + 2;
      case 'trailer':
        return this.#readTrailer(bytes, at);
      case 'whole':
        return at;
    }
  }

  #readHead(bytes: Buffer, at: number): number | undefined {
    const end = bytes.indexOf(HEAD_END, at, 'latin1');
    if (end === -1) {
      const beginning = bytes.toString('latin1', at, at + BEGINNING.length);
      if (!BEGINNING.startsWith(beginning)) throw notHttp(bytes, at);
      return undefined;
    }
    const text = bytes.toString('latin1', at, end);
    const [, minor, status] = FORM.exec(text) ?? [];
    if (status === undefined || end - at > MAX_HEAD_BYTES) throw notHttp(bytes, at);
    this.status = Number(status);
    // An interim answer does not count, since the real one follows; no request asks for another protocol.
    if (this.status === 101) throw new AnswerFault('101 Switching Protocols, which nobody has asked for');
    if (this.status >= 200) this.#readHeaders(text, minor === '1');
    return end + HEAD_END.length;
  }

  #readHeaders(text: string, keepsOpen: boolean): void {
    this.retryAfter = undefined;
    this.date = undefined;
    this.errorType = undefined;
    this.reusable = keepsOpen;
    this.keepAliveSeconds = Infinity;
    let length: string | undefined;
    let encoding: string | undefined;
    for (let at = text.indexOf('\r\n'); at !== -1;) {
      const next = text.indexOf('\r\n', at + 2);
      const colon = text.indexOf(':', at);
      const value = fieldValue(text, colon + 1, next === -1 ? text.length : next);
      switch (text.slice(at + 2, colon).toLowerCase()) {
        case 'content-length':
          if (length !== undefined || !LENGTH.test(value)) {
            throw new AnswerFault(`Content-Length: ${value}`);
          }
          length = value;
          break;
        case 'transfer-encoding':
          if (encoding !== undefined || value.toLowerCase() !== 'chunked' || !keepsOpen) {
            throw new AnswerFault(`Transfer-Encoding: ${value}`);
          }
          encoding = value;
          break;
        case 'connection':
          if (/(?:^|,)[\t ]*close[\t ]*(?:,|$)/i.test(value)) this.reusable = false;
          break;
        case 'keep-alive': {
          const [, seconds] = /(?:^|[,\t ])timeout=(\d{1,9})/i.exec(value) ?? [];
          if (seconds !== undefined) this.keepAliveSeconds = Number(seconds);
          break;
        }
        case 'retry-after':
          this.retryAfter ??= value;
          break;
        case 'date':
          this.date ??= value;
          break;
        case 'x-amzn-errortype':
          this.errorType ??= value;
          break;
        default:
      }
      at = next;
    }
    if (length !== undefined && encoding !== undefined) throw new AnswerFault('Content-Length and Transfer-Encoding');
    this.#expectBody(length, encoding);
  }

  #expectBody(length: string | undefined, encoding: string | undefined): void {
    if (this.status === 204 || this.status === 304) {
      this.#state = 'whole';
      // These answers have no body. A body that comes nevertheless must not be taken for the next answer.
      if (encoding !== undefined || Number(length ?? 0) > 0) this.reusable = false;
    } else if (encoding !== undefined) this.#state = 'chunk size';
    else if (length === undefined) {
      this.#state = 'until close';
      this.#remaining = Infinity;
      this.reusable = false;
    } else {
      this.#remaining = Number(length);
      this.#state = this.#remaining === 0 ? 'whole' : 'body';
    }
  }

  /** @param then the state once nothing of it remains */
  #readBody(bytes: Buffer, at: number, then: State): number | undefined {
    const count = Math.min(this.#remaining, bytes.length - at);
    if (count === 0) return undefined;
    const missing = MESSAGE_BYTES - this.#bodyBytes;
    if (missing > 0) this.#kept.push(Buffer.from(bytes.subarray(at, at + Math.min(count, missing)))); // copies
    this.#bodyBytes += count;
    this.#remaining -= count;
    if (this.#remaining === 0) this.#state = then;
    // The status has arrived; only its explanation is too long to be read to its end.
    if (this.#bodyBytes > MAX_BODY_BYTES) {
      this.#state = 'whole';
      this.reusable = false;
    }
    return at + count;
  }

  #readChunkSize(bytes: Buffer, at: number): number | undefined {
    const end = bytes.indexOf('\r\n', at, 'latin1');
    if (end === -1) return undefined;
    const line = bytes.toString('latin1', at, end);
    const [, size] = CHUNK_SIZE.exec(line) ?? [];
    if (size === undefined) throw new AnswerFault(`a chunk of ${JSON.stringify(line.slice(0, 40))} bytes`);
    this.#remaining = Number.parseInt(size, 16);
    this.#state = this.#remaining === 0 ? 'trailer' : 'chunk';
    return end + 2;
  }

  #readTrailer(bytes: Buffer, at: number): number | undefined {
    const end = bytes.indexOf('\r\n', at, 'latin1');
    if (end === -1) return undefined;
    if (end === at) this.#state = 'whole';
    else if (!TRAILER.test(bytes.toString('latin1', at, end))) throw new AnswerFault('a trailer that is no header');
    return end + 2;
  }
}

/** A record of TLS that holds an alert begins with its type and the major version. https://www.rfc-editor.org/rfc/rfc8446#section-5.1 */
const TLS_ALERT = Buffer.of(21, 3);

function notHttp(bytes: Buffer, at: number): AnswerFault {
  if (bytes.subarray(at, at + TLS_ALERT.length).equals(TLS_ALERT)) {
    return new TlsInsteadOfHttp('an alert of TLS instead of an answer of HTTP: the port speaks nothing but TLS');
  }
  return new AnswerFault(`not an answer of HTTP/1.1: ${JSON.stringify(bytes.toString('latin1', at, at + 40))}`);
}
