/** One connection to the upstream, which carries one request at a time. */
import type { Socket } from 'node:net';
import { AnswerReader } from './answer-reader.ts';
import { keepsConnection } from './connection-lifetime.ts';
import type { Dial } from './dial.ts';
import { failed, failedBy, presentableErrorType, presentableText } from './failure.ts';
import type { UpstreamAnswer } from '../../outcome/outcome.ts';

/** A request, and the callback that is waiting for its answer. */
export interface Attempt {
  /** Request line and headers, up to the empty line. */
  readonly head: string;
  readonly body: Buffer;
  /** Called once. The body is no longer read after that. */
  settle(answer: UpstreamAnswer): void;
}

export interface ConnectionOwner {
  /** Called when the connection can carry another request for `keepMs` from now. */
  released(connection: UpstreamConnection, keepMs: number): void;
  /** Called once, when the connection is closed. */
  ended(connection: UpstreamConnection): void;
}

/** Answers are short, so a small buffer suffices. */
const READ_BYTES = 8 * 1024;
/**
 * The time by which the proxy closes an idle connection before the server would: a request sent as the server closes is
 * lost.
 */
const AHEAD_MS = 2_000;

export class UpstreamConnection {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #reader = new AnswerReader();
  readonly #retireAtMs: number;
  readonly #dialledAtMs = performance.now();
  #attempt: Attempt | undefined;
  /** True for the rest of the event loop's turn that brought an answer: what is read in it came with that answer. */
  #resting = false;
  #ended = false;

  /** @param retireAtMs no request begins after this, on the clock of `performance.now()` */
  constructor(dial: Dial, owner: ConnectionOwner, retireAtMs: number) {
    this.#owner = owner;
    this.#retireAtMs = retireAtMs;
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    this.#socket = dial({ buffer, callback: (bytes) => this.#read(buffer.subarray(0, bytes)) });
    this.#socket.on('error', (error) => this.cut(failedBy(error)));
    this.#socket.on('end', () => this.#over());
    this.#socket.on('close', () => this.#over());
  }

  /** Must be called only after the previous attempt is settled. */
  send(attempt: Attempt): void {
    this.#attempt = attempt;
    this.#reader.begin();
    if (!this.#resting) this.#write(attempt);
  }

  #write(attempt: Attempt): void {
    const socket = this.#socket;
    socket.cork();
    socket.write(attempt.head, 'latin1');
    socket.write(attempt.body, this.#onSent);
    socket.uncork();
  }

  /** Called when all of the request is sent; a 2xx that came early counts only now. */
  readonly #onSent = (error?: Error | null): void => {
    if (!error && this.#attempt !== undefined && this.#reader.whole) this.#answered();
  };

  readonly #onRested = (): void => {
    this.#resting = false;
    if (this.#attempt !== undefined) this.#write(this.#attempt);
  };

  /**
   * Returns what a connection lacks that was started at least `leastMs` ago. Returns undefined if it can carry a
   * request, or has had less time, so that its request waited for something else.
   */
  missingAfter(leastMs: number): 'connection' | 'handshake' | undefined {
    if (performance.now() - this.#dialledAtMs < leastMs) return undefined;
    if (this.#socket.connecting) return 'connection';
    // Node's types leave out this property of a TLSSocket: https://github.com/nodejs/node/blob/main/lib/_tls_wrap.js
    return 'secureConnecting' in this.#socket && this.#socket.secureConnecting === true ? 'handshake' : undefined;
  }

  /** Closes the connection immediately. @param answer for the attempt in flight */
  cut(answer: UpstreamAnswer): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#socket.destroy();
    if (!this.#ended) {
      this.#ended = true;
      this.#owner.ended(this);
    }
    attempt?.settle(answer);
  }

  #read(bytes: Buffer): boolean {
    try {
      // Bytes that come without a request are not the answer to the next one.
      if (this.#attempt === undefined || this.#resting) this.cut(CLOSED);
      else if (this.#reader.push(bytes)) this.#answered();
    } catch (error) {
      this.cut(failedBy(error));
    }
    return true;
  }

  /** The server has closed the connection. */
  #over(): void {
    if (this.#attempt === undefined || !this.#reader.end() || this.#isEarly()) this.cut(CLOSED);
    else this.#answered();
  }

  /** A 2xx that comes before all of the request is sent claims what cannot be true yet. */
  #isEarly(): boolean {
    return this.#socket.writableLength > 0 && this.#reader.status >= 200 && this.#reader.status < 300;
  }

  #answered(): void {
    if (this.#isEarly()) return;
    const reader = this.#reader;
    const answer: UpstreamAnswer = {
      kind: 'answered',
      status: reader.status,
      message: presentableText(reader.message),
      retryAfter: reader.retryAfter,
      date: reader.date,
      errorType: presentableErrorType(reader.errorType),
    };
    // If the answer came before the whole request was sent, the rest must not be read from memory that is reused.
    const sent = this.#socket.writableLength === 0;
    const keepMs = Math.min(reader.keepAliveSeconds * 1000 - AHEAD_MS, this.#retireAtMs - performance.now());
    if (!sent || !reader.reusable || keepMs <= 0 || !keepsConnection(reader.status)) {
      this.cut(answer);
      return;
    }
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#resting = true;
    setImmediate(this.#onRested);
    this.#owner.released(this, keepMs);
    attempt?.settle(answer);
  }
}

const CLOSED = failed('reset', 'the upstream closed the connection before its answer was whole');
