/**
 * One connection of the fast path, and the exchange that is under way on it. Its states are in connection-state.ts.
 *
 * The bytes are read into a buffer that all connections share, and are used up before `read` returns.
 */
import type { Socket } from 'node:net';
import type { Lease } from '../../../memory/buffer-pool.ts';
import { takeDeclared, type Exchange, type ExchangeListener, type Intake } from '../exchange.ts';
import { HeadReader } from './head-reader.ts';
import { connectionLines, noContent, textAnswer, timeoutAnswer } from './answer.ts';
import { LINGER_BYTES, LINGER_MS } from '../lingering-close.ts';
import type { ConnectionOwner, FastPathTimeouts } from './connection-owner.ts';
import { assertTransition, type ConnectionState } from './connection-state.ts';
import type { RequestHead } from './request-head.ts';
import { StateTimeout } from './state-timeout.ts';

/** Answers are short, and a sender reads one before it sends the next request. */
const MAX_UNREAD_ANSWER_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

export class FastPathConnection implements Exchange {
  readonly socket: Socket;
  readonly #owner: ConnectionOwner<FastPathConnection>;
  readonly #timeouts: FastPathTimeouts;
  /** The header lines of answers on a connection that stays open. */
  readonly #stays: string;
  listener: ExchangeListener | undefined;
  #state: ConnectionState = 'idle';
  readonly #timeout: StateTimeout;
  readonly #heads = new HeadReader();
  /** The head of the current request. */
  #head: RequestHead | undefined;
  #lease: Lease | undefined;
  /** The bytes of the body that have not arrived yet. */
  #remaining = 0;
  #closeAfter = false;
  /** The bytes that were read and are not used up yet. */
  #chunk: Buffer = NOTHING;
  #at = 0;
  #end = 0;
  /** The size of the chunk if it is a copy of its own. */
  #keptBytes = 0;
  #consuming = false;
  #lingerTimer: NodeJS.Timeout | undefined;
  #skipped = 0;

  constructor(socket: Socket, owner: ConnectionOwner<FastPathConnection>, timeouts: FastPathTimeouts) {
    this.socket = socket;
    this.#owner = owner;
    this.#timeouts = timeouts;
    this.#stays = connectionLines(timeouts.keepAlive);
    this.#timeout = new StateTimeout(timeouts.firstRequest);
    socket.on('error', ignore);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
  }

  get authorization(): string | undefined {
    return this.#head?.authorization;
  }

  get contentType(): string | undefined {
    return this.#head?.contentType;
  }

  get contentEncoding(): string | undefined {
    return this.#head?.contentEncoding;
  }

  get gone(): boolean {
    return this.#state === 'ended' || this.socket.destroyed;
  }

  get idle(): boolean {
    return this.#state === 'idle';
  }

  closeAfterAnswer(): void {
    this.#closeAfter = true;
  }

  discardBody(): void {
    if (this.#state !== 'admitting') return;
    this.#become('refusing', Infinity);
    this.#discard();
  }

  /** Takes the bytes that the socket has read, before the buffer is reused; returns false to pause the socket. */
  read(bytes: number, buffer: Buffer): boolean {
    if (this.#state === 'handed') return this.socket.push(Buffer.from(buffer.subarray(0, bytes))); // copies
    this.#chunk = buffer;
    this.#at = 0;
    this.#end = bytes;
    return this.#consume();
  }

  readBody(intake: Intake): void {
    const lease = takeDeclared(this.#remaining, intake);
    if (this.#consuming && this.#end - this.#at >= this.#remaining) {
      // Nearly always the whole body came with the head.
      this.#copyTo(lease);
      this.#hold(lease);
      return;
    }
    this.#lease = lease;
    this.#become('reading', this.#timeouts.request);
    if (this.#consuming) this.#fill();
    else this.#goOn();
  }

  answer(status: number, text: string, headers: Readonly<Record<string, string | number>> = {}): void {
    if (this.gone) return;
    if (this.#state === 'refusing') this.socket.resume();
    if (this.#owner.closing) this.#closeAfter = true;
    const connection = this.#closeAfter ? connectionLines(undefined) : this.#stays;
    if (status === 204) this.socket.write(noContent(connection), 'latin1');
    else this.socket.write(textAnswer(status, text, headers, connection));
    if (this.socket.writableLength > MAX_UNREAD_ANSWER_BYTES) this.socket.destroy();
    else if (this.#remaining === 0) this.#finish();
    else this.#skipRest();
  }

  /** Ends the connection if its state has lasted too long. */
  sweep(nowMs: number): void {
    if (!this.#timeout.isOver(nowMs)) return;
    const asked = this.#state === 'reading' || (this.#state === 'idle' && this.socket.bytesWritten === 0);
    if (!asked) {
      this.socket.destroy();
      return;
    }
    this.socket.write(timeoutAnswer());
    this.#close();
  }

  /** Returns the unused bytes to the socket, which is read the ordinary way from here on. */
  putBack(): void {
    this.#become('handed', Infinity);
    this.socket.removeListener('error', ignore);
    this.socket.removeListener('end', this.#onEnd);
    this.socket.removeListener('close', this.#onClose);
    this.socket.push(Buffer.from(this.#chunk.subarray(this.#at, this.#end))); // copies
    this.#letGo();
  }

  #consume(): boolean {
    this.#consuming = true;
    try {
      while (this.#at < this.#end) {
        switch (this.#state) {
          case 'idle':
            this.#begin();
            break;
          case 'reading':
            this.#fill();
            break;
          case 'skipping':
            this.#skip();
            break;
          case 'admitting':
          case 'waiting':
            this.#keep();
            return false;
          case 'refusing':
            this.#discard();
            return false;
          case 'handed':
          case 'closing':
          case 'ended':
            this.#at = this.#end;
        }
      }
      this.#letGo();
      return true;
    } finally {
      this.#consuming = false;
    }
  }

  /** Keeps unused bytes until they can be used; meanwhile the socket is paused. */
  #keep(): void {
    if (this.#keptBytes > 0) return;
    const bytes = this.#end - this.#at;
    if (this.#owner.tryKeep(bytes)) {
      this.#chunk = Buffer.from(this.#chunk.subarray(this.#at, this.#end)); // copies
      this.#at = 0;
      this.#end = bytes;
      this.#keptBytes = bytes;
    } else {
      this.#letGo();
      this.socket.destroy();
    }
  }

  /** No request follows on this connection, so the bytes behind the body are discarded too. */
  #discard(): void {
    this.#remaining -= Math.min(this.#remaining, this.#end - this.#at);
    this.#letGo();
  }

  #letGo(): void {
    if (this.#keptBytes > 0) this.#owner.letGo(this.#keptBytes);
    this.#keptBytes = 0;
    this.#chunk = NOTHING;
    this.#at = 0;
    this.#end = 0;
  }

  /** Uses up the kept bytes, and reads on. */
  #goOn(): void {
    if (this.#at < this.#end) {
      if (this.#consume() && !this.socket.destroyed) this.socket.resume();
    } else if (this.#state === 'reading') this.#fill();
  }

  #begin(): void {
    const at = this.#at;
    const head = this.#heads.tryRead(this.#chunk, at, this.#end);
    const { bodyAt } = this.#heads;
    // Pipelined requests are left to Node's HTTP server too.
    if (head === undefined || this.#end - bodyAt > head.contentLength) {
      this.#owner.handOver(this);
      return;
    }
    this.#head = head;
    this.#remaining = head.contentLength;
    this.#at = bodyAt;
    this.#become('admitting', Infinity);
    if (this.#owner.tryHandle(this, head.path)) return;
    this.#at = at;
    this.#owner.handOver(this);
  }

  #fill(): void {
    const lease = this.#lease;
    if (lease === undefined) throw new Error('a body is read without memory for it');
    this.#copyTo(lease);
    if (this.#remaining > 0) return;
    this.#lease = undefined;
    this.#hold(lease);
  }

  /** Copies as much of the body as was read. */
  #copyTo({ buffer }: Lease): void {
    const bytes = Math.min(this.#remaining, this.#end - this.#at);
    this.#chunk.copy(buffer, buffer.length - this.#remaining, this.#at, this.#at + bytes); // copies
    this.#at += bytes;
    this.#remaining -= bytes;
  }

  /** Called when the body is complete. */
  #hold(body: Lease): void {
    this.#become('waiting', Infinity);
    this.listener?.bodyRead(body);
  }

  /** Skips the rest of a body that was answered early: a sender may read only after it has written all of it. */
  #skipRest(): void {
    this.#lease?.release();
    this.#lease = undefined;
    this.#skipped = 0;
    this.#become('skipping', Infinity);
    this.#lingerTimer = setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
    if (!this.#consuming) this.#goOn();
  }

  #skip(): void {
    const bytes = Math.min(this.#remaining, this.#end - this.#at);
    this.#at += bytes;
    this.#remaining -= bytes;
    this.#skipped += bytes;
    if (this.#remaining === 0) this.#finish();
    else if (this.#skipped > LINGER_BYTES) this.socket.destroy();
  }

  /** Called when the answer is written and the body is read. */
  #finish(): void {
    clearTimeout(this.#lingerTimer);
    const { listener } = this;
    this.listener = undefined;
    this.#head = undefined;
    if (this.#closeAfter) this.#close();
    else this.#become('idle', this.#timeouts.keepAlive);
    listener?.ended();
    if (!this.#consuming) this.#goOn();
  }

  #close(): void {
    this.#become('closing', LINGER_MS);
    this.socket.destroySoon();
  }

  #become(next: ConnectionState, timeoutMs: number): void {
    assertTransition(this.#state, next);
    this.#state = next;
    this.#timeout.begin(timeoutMs);
  }

  /** The sender writes no more; like Node's HTTP server, this treats the sender as gone. */
  readonly #onEnd = (): void => {
    if (this.#state === 'idle' || this.#state === 'closing') this.socket.end();
    else this.socket.destroy();
  };

  readonly #onClose = (): void => {
    clearTimeout(this.#lingerTimer);
    this.#become('ended', Infinity);
    this.#lease?.release();
    this.#lease = undefined;
    this.#letGo();
    const { listener } = this;
    this.listener = undefined;
    listener?.ended();
  };
}

/** 'close' follows and does all that is needed. */
function ignore(): void {}
