/** One connection to the upstream, which carries one request at a time. */
import type { Socket } from 'node:net';
import { AnswerReader } from './answer-reader.ts';
import type { Dial } from './dial.ts';
import { failed, failedBy, presentableErrorType, presentableText } from './failure.ts';
import type { UpstreamAnswer } from '../../outcome/outcome.ts';

/** A request, and who waits for what becomes of it. */
export interface Attempt {
  /** Request line and headers, up to the empty line. */
  readonly head: string;
  readonly body: Buffer;
  /** Told once; the body is not read any more then. */
  settle(answer: UpstreamAnswer): void;
}

export interface ConnectionOwner {
  /** It can carry another request for `keepMs` from now. */
  released(connection: UpstreamConnection, keepMs: number): void;
  /** It is over. Told once. */
  ended(connection: UpstreamConnection): void;
}

/** Answers are short. */
const READ_BYTES = 8 * 1024;
/** Before the other side ends an idle connection, ours does: a request on its way as it is ended would be lost. */
const AHEAD_MS = 2_000;

export class UpstreamConnection {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #reader = new AnswerReader();
  #attempt: Attempt | undefined;
  /** Answered in this turn of the event loop: whatever else it brings came with that answer. */
  #resting = false;
  #ended = false;

  constructor(dial: Dial, owner: ConnectionOwner) {
    this.#owner = owner;
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    this.#socket = dial({ buffer, callback: (bytes) => this.#read(buffer.subarray(0, bytes)) });
    this.#socket.on('error', (error) => this.cut(failedBy(error)));
    this.#socket.on('end', () => this.#over());
    this.#socket.on('close', () => this.#over());
  }

  /** Not before the attempt ahead of it is settled. */
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

  /** All of it is sent; a 2xx may have waited for that. */
  readonly #onSent = (error?: Error | null): void => {
    if (!error && this.#attempt !== undefined && this.#reader.whole) this.#answered();
  };

  readonly #onRested = (): void => {
    this.#resting = false;
    if (this.#attempt !== undefined) this.#write(this.#attempt);
  };

  /** Ends it at once. @param answer for the attempt that is under way */
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
      // What nobody has asked for is no answer to what is asked next.
      if (this.#attempt === undefined || this.#resting) this.cut(CLOSED);
      else if (this.#reader.push(bytes)) this.#answered();
    } catch (error) {
      this.cut(failedBy(error));
    }
    return true;
  }

  /** The other side has ended it. */
  #over(): void {
    if (this.#attempt === undefined || !this.#reader.end() || this.#isEarly()) this.cut(CLOSED);
    else this.#answered();
  }

  /** It says that it has stored what it has not got yet. That is the truth at the earliest when all of it is sent. */
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
    // Answered before all of it was sent: the rest must not be read from memory that is about to be used again.
    const sent = this.#socket.writableLength === 0;
    const keepMs = reader.keepAliveSeconds * 1000 - AHEAD_MS;
    if (!sent || !reader.reusable || keepMs <= 0) {
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
