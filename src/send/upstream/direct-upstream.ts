/**
 * The upstream as it is reached without a proxy between: connections of HTTP/1.1, of which the one that was used last
 * is used first. A request costs half of what it costs with undici (bench/micro/post.ts).
 */
import { TEXT } from '../../header-field.ts';
import { dialler, type Dial } from './dial.ts';
import { failed, failedBy, timedOut } from './failure.ts';
import type { UpstreamAnswer } from '../../outcome/outcome.ts';
import { UpstreamConnection, type Attempt, type ConnectionOwner } from './upstream-connection.ts';
import { IDLE_CONNECTION_MS, type Upstream, type UpstreamOptions } from './upstream.ts';

/** How often idle connections are looked at. */
const SWEEP_MS = 1_000;
/** A line end in a header's value would begin another header. */
const VALUE = new RegExp(`^${TEXT}$`);

interface Idle {
  readonly connection: UpstreamConnection;
  readonly untilMs: number;
}

export class DirectUpstream implements Upstream, ConnectionOwner {
  readonly #dial: Dial;
  readonly #requestLine: string;
  readonly #maxConnections: number;
  readonly #timeoutMs: number;
  readonly #connections = new Set<UpstreamConnection>();
  /** The one that was used last is the last. */
  #idle: Idle[] = [];
  /** For whom no connection was free, in their order. */
  readonly #waiting = new Set<Exchange>();
  readonly #sweep: NodeJS.Timeout;
  #serving = false;
  #destroyed = false;

  constructor(options: UpstreamOptions) {
    this.#dial = dialler(options);
    this.#requestLine = `POST ${options.url.pathname} HTTP/1.1\r\n`;
    this.#maxConnections = options.connections;
    this.#timeoutMs = options.timeoutMs;
    this.#sweep = setInterval(() => this.#endIdle(), SWEEP_MS).unref();
  }

  async post(headers: string[], body: Buffer): Promise<UpstreamAnswer> {
    if (this.#destroyed) return DESTROYED;
    let head = this.#requestLine;
    for (let at = 0; at < headers.length; at += 2) {
      const value = headers[at + 1] ?? '';
      if (!VALUE.test(value)) {
        return failed('credentials', `${headers[at]} would have a character that HTTP does not allow in headers`);
      }
      head += `${headers[at]}: ${value}\r\n`;
    }
    head += `connection: keep-alive\r\ncontent-length: ${body.length}\r\n\r\n`;
    return new Promise((resolve) => {
      const exchange = new Exchange(head, body, resolve);
      exchange.timer = setTimeout(() => this.#timeOut(exchange), this.#timeoutMs);
      this.#waiting.add(exchange);
      this.#serve();
    });
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
    clearInterval(this.#sweep);
    for (const exchange of this.#waiting) exchange.settle(DESTROYED);
    this.#waiting.clear();
    for (const connection of this.#connections) connection.cut(DESTROYED);
  }

  released(connection: UpstreamConnection, keepMs: number): void {
    this.#idle.push({ connection, untilMs: performance.now() + Math.min(keepMs, IDLE_CONNECTION_MS) });
    this.#serve();
  }

  ended(connection: UpstreamConnection): void {
    this.#connections.delete(connection);
    this.#idle = this.#idle.filter((idle) => idle.connection !== connection);
    this.#serve();
  }

  /** Gives those who wait a connection, as far as there are any. */
  #serve(): void {
    // A connection that ends in here asks for it again.
    if (this.#serving || this.#destroyed) return;
    this.#serving = true;
    for (const exchange of this.#waiting) {
      try {
        const connection = this.#tryTake();
        if (connection === undefined) break;
        exchange.connection = connection;
        connection.send(exchange);
      } catch (error) {
        // As where the name to expect of the other side is none.
        exchange.settle(failedBy(error));
      }
      this.#waiting.delete(exchange);
    }
    this.#serving = false;
  }

  #tryTake(): UpstreamConnection | undefined {
    const nowMs = performance.now();
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.untilMs > nowMs) return idle.connection;
      idle.connection.cut(UNUSED);
    }
    if (this.#connections.size >= this.#maxConnections) return undefined;
    const connection = new UpstreamConnection(this.#dial, this);
    this.#connections.add(connection);
    return connection;
  }

  #timeOut(exchange: Exchange): void {
    const answer = timedOut(this.#timeoutMs);
    if (this.#waiting.delete(exchange)) exchange.settle(answer);
    else exchange.connection?.cut(answer);
  }

  #endIdle(): void {
    const nowMs = performance.now();
    for (const { connection, untilMs } of this.#idle) if (untilMs <= nowMs) connection.cut(UNUSED);
  }
}

/** One request from the moment it is asked for to its answer. */
class Exchange implements Attempt {
  readonly head: string;
  readonly body: Buffer;
  readonly #resolve: (answer: UpstreamAnswer) => void;
  timer: NodeJS.Timeout | undefined;
  connection: UpstreamConnection | undefined;

  constructor(head: string, body: Buffer, resolve: (answer: UpstreamAnswer) => void) {
    this.head = head;
    this.body = body;
    this.#resolve = resolve;
  }

  settle(answer: UpstreamAnswer): void {
    clearTimeout(this.timer);
    this.#resolve(answer);
  }
}

const DESTROYED = failed('reset', 'the proxy has closed its connections');
const UNUSED = failed('reset', 'unused for too long');
