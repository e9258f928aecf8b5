/**
 * Reaches the upstream without a proxy in between, over connections of HTTP/1.1. The connection that was used last is
 * used first. A request costs half of what it costs with undici (bench/micro/post.ts).
 */
import { TEXT } from '../../platform/header-field.ts';
import { retirementMs, SWEEP_INTERVAL_MS } from './connection-lifetime.ts';
import { addressOf, dialler, type Dial } from './dial.ts';
import { failed, failedBy, notConnected, timedOut } from './failure.ts';
import type { UpstreamAnswer } from '../../outcome/outcome.ts';
import { UpstreamConnection, type Attempt, type ConnectionOwner } from './upstream-connection.ts';
import { IDLE_CONNECTION_MS, type Upstream, type UpstreamOptions } from './upstream.ts';

/** A line end in a header's value would begin another header. */
const VALUE = new RegExp(`^${TEXT}$`);

interface Idle {
  readonly connection: UpstreamConnection;
  readonly untilMs: number;
}

export class DirectUpstream implements Upstream, ConnectionOwner {
  readonly #dial: Dial;
  readonly #requestLine: string;
  /** Host and port, for messages. */
  readonly #address: string;
  readonly #maxConnections: number;
  readonly #timeoutMs: number;
  readonly #random: () => number;
  readonly #connections = new Set<UpstreamConnection>();
  /** Idle connections in the order in which they were last used. */
  #idle: Idle[] = [];
  /** Posts for which no connection is free yet, in order of arrival. */
  readonly #waiting = new Set<PendingPost>();
  readonly #sweep: NodeJS.Timeout;
  #serving = false;
  #destroyed = false;

  constructor(options: UpstreamOptions) {
    this.#dial = dialler(options);
    this.#requestLine = `POST ${options.url.pathname} HTTP/1.1\r\n`;
    this.#address = addressOf(options.url);
    this.#maxConnections = options.connections;
    this.#timeoutMs = options.timeoutMs;
    this.#random = options.random ?? Math.random;
    this.#sweep = setInterval(() => this.#endIdle(), SWEEP_INTERVAL_MS).unref();
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
      const pending = new PendingPost(head, body, resolve);
      pending.timer = setTimeout(() => this.#timeOut(pending), this.#timeoutMs);
      this.#waiting.add(pending);
      this.#serve();
    });
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
    clearInterval(this.#sweep);
    for (const pending of this.#waiting) pending.settle(DESTROYED);
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

  /** Gives waiting posts a connection each, until no connection is left. */
  #serve(): void {
    // A connection that ends during this loop calls this method again.
    if (this.#serving || this.#destroyed) return;
    this.#serving = true;
    for (const pending of this.#waiting) {
      try {
        const connection = this.#tryTake();
        if (connection === undefined) break;
        pending.connection = connection;
        connection.send(pending);
      } catch (error) {
        // For example, `tls_config.server_name` is not a valid host name.
        pending.settle(failedBy(error));
      }
      this.#waiting.delete(pending);
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
    const connection = new UpstreamConnection(this.#dial, this, retirementMs(nowMs, this.#random()));
    this.#connections.add(connection);
    return connection;
  }

  #timeOut(pending: PendingPost): void {
    const missing = pending.connection?.missingAfter(this.#timeoutMs / 2);
    const answer =
      missing === undefined ? timedOut(this.#timeoutMs) : notConnected(missing, this.#address, this.#timeoutMs);
    if (this.#waiting.delete(pending)) pending.settle(answer);
    else pending.connection?.cut(answer);
  }

  #endIdle(): void {
    const nowMs = performance.now();
    for (const { connection, untilMs } of this.#idle) if (untilMs <= nowMs) connection.cut(UNUSED);
  }
}

/** One request, from the call of post() to its answer. */
class PendingPost implements Attempt {
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
const UNUSED = failed('reset', 'the connection was unused for too long, or is too old');
