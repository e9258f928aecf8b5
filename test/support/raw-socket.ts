/** Senders that no HTTP library would make. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { sleep } from './processes.ts';

export interface RawAnswer {
  /** Status line and all; empty when the connection ended without one. */
  readonly text: string;
  /** 0 without a status line. */
  readonly status: number;
  readonly tookMs: number;
}

export class RawConnection {
  readonly socket: Socket;
  readonly #openedAtMs: number = performance.now();
  #text = '';

  constructor(url: string, localAddress = '127.0.0.1') {
    const { hostname, port } = new URL(url);
    this.socket = connect({ host: hostname, port: Number(port), localAddress });
    this.socket.setEncoding('latin1').on('data', (text: string) => (this.#text += text));
    this.socket.on('error', () => undefined);
  }

  get text(): string {
    return this.#text;
  }

  get closed(): boolean {
    return this.socket.closed;
  }

  write(data: string | Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(data);
  }

  /** A byte every `intervalMs`, until all are written or the other side has closed. */
  async drip(data: Uint8Array, intervalMs: number): Promise<void> {
    for (const byte of data) {
      if (this.socket.destroyed) return;
      this.write(Uint8Array.of(byte));
      await sleep(intervalMs);
    }
  }

  /** Resolves with what came until the other side closed, or until `timeoutMs`. */
  async ended(timeoutMs: number): Promise<RawAnswer> {
    if (!this.closed) {
      await Promise.race([once(this.socket, 'close').catch(() => undefined), sleep(timeoutMs)]);
    }
    return this.answer();
  }

  answer(): RawAnswer {
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(this.#text)?.[1] ?? 0);
    return { text: this.#text, status, tookMs: performance.now() - this.#openedAtMs };
  }

  close(): void {
    this.socket.destroy();
  }
}

export function head(headers: Readonly<Record<string, string>>, path = '/api/v1/write'): string {
  const all = {
    host: 'proxy',
    'content-type': 'application/x-protobuf',
    'content-encoding': 'snappy',
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}
