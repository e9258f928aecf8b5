// Just enough HTTP/1.1 to know where a message ends: head, then a body by content-length or chunked, which is
// counted and dropped. Both ends of the bench use it (the sink for requests, the load for responses), so that
// neither spends CPU on what the bench does not measure. Bytes handed in are never kept past `push`,
// but for an unfinished head or chunk-size line.

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const EMPTY = Buffer.alloc(0);
const MAX_HEAD_BYTES = 64 * 1024;

type State = 'head' | 'body' | 'chunkSize' | 'chunkData' | 'trailer';

export class MessageReader {
  #state: State = 'head';
  #held: Buffer = EMPTY;
  #head = '';
  #remaining = 0;
  #bodyBytes = 0;
  readonly #onMessage: (head: string, bodyBytes: number) => void;

  /** `onMessage` gets the head (request or status line and headers, without the blank line) and the body's size. */
  constructor(onMessage: (head: string, bodyBytes: number) => void) {
    this.#onMessage = onMessage;
  }

  /** Takes the next bytes of the connection; throws on what is not HTTP/1.1. */
  push(bytes: Buffer): void {
    let chunk = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = EMPTY;
    while (chunk.length > 0) {
      const rest = this.#step(chunk);
      if (rest === undefined) {
        if (chunk.length > MAX_HEAD_BYTES) throw new Error(`a head or line of more than ${MAX_HEAD_BYTES} bytes`);
        this.#held = Buffer.from(chunk); // copies: the socket may reuse its buffer
        return;
      }
      chunk = rest;
    }
  }

  /** Consumes what it can and returns the rest; undefined when it needs more bytes to go on. */
  #step(chunk: Buffer): Buffer | undefined {
    switch (this.#state) {
      case 'head':
        return this.#readHead(chunk);
      case 'body':
        return this.#skip(chunk, () => this.#finish());
      case 'chunkSize':
        return this.#readChunkSize(chunk);
      case 'chunkData':
        return this.#skip(chunk, () => {
          this.#state = 'chunkSize';
        });
      case 'trailer':
        return this.#readTrailer(chunk);
    }
  }

  #readHead(chunk: Buffer): Buffer | undefined {
    const end = chunk.indexOf(HEAD_END);
    if (end < 0) return undefined;
    this.#head = chunk.toString('latin1', 0, end);
    this.#bodyBytes = 0;
    const rest = chunk.subarray(end + HEAD_END.length);
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head);
    if (length !== null) {
      this.#remaining = Number(length[1]);
      this.#bodyBytes = this.#remaining;
      this.#state = 'body';
      if (this.#remaining === 0) this.#finish();
    } else if (/\r\ntransfer-encoding: *chunked/i.test(this.#head)) {
      this.#state = 'chunkSize';
    } else {
      this.#finish();
    }
    return rest;
  }

  #skip(chunk: Buffer, done: () => void): Buffer {
    const taken = Math.min(this.#remaining, chunk.length);
    this.#remaining -= taken;
    if (this.#remaining === 0) done();
    return chunk.subarray(taken);
  }

  #readChunkSize(chunk: Buffer): Buffer | undefined {
    const end = chunk.indexOf(LINE_END);
    if (end < 0) return undefined;
    const size = Number.parseInt(chunk.toString('latin1', 0, end), 16);
    if (!(size >= 0))
      throw new Error(`a chunk size that is no hexadecimal number: ${chunk.toString('latin1', 0, end)}`);
    this.#bodyBytes += size;
    if (size === 0) {
      this.#state = 'trailer';
    } else {
      this.#remaining = size + LINE_END.length;
      this.#state = 'chunkData';
    }
    return chunk.subarray(end + LINE_END.length);
  }

  #readTrailer(chunk: Buffer): Buffer | undefined {
    const end = chunk.indexOf(LINE_END);
    if (end < 0) return undefined;
    if (end === 0) this.#finish();
    return chunk.subarray(end + LINE_END.length);
  }

  #finish(): void {
    this.#state = 'head';
    this.#onMessage(this.#head, this.#bodyBytes);
  }
}
