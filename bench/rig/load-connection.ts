// One keep-alive connection of the load: writes a prepared request, waits for its answer, says so. A connection that
// the far end closes between requests is opened again; a request that dies with it counts as failed.
import net from 'node:net';
import tls from 'node:tls';
import { MessageReader } from './http-message.ts';

export type Target = { readonly port: number; readonly tls: boolean };

/** The status code, or 0 for a request that got no answer. */
export type OnAnswer = (connection: LoadConnection, status: number) => void;

export class LoadConnection {
  readonly #target: Target;
  readonly #onAnswer: OnAnswer;
  #socket: net.Socket | undefined;
  #waiting = false;

  constructor(target: Target, onAnswer: OnAnswer) {
    this.#target = target;
    this.#onAnswer = onAnswer;
  }

  send(request: Buffer): void {
    if (this.#waiting) throw new Error('a request is sent before the one ahead of it was answered');
    this.#waiting = true;
    this.#socket ??= this.#open();
    this.#socket.write(request);
  }

  close(): void {
    this.#waiting = false;
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): net.Socket {
    const options = { host: '127.0.0.1', port: this.#target.port, noDelay: true };
    // The sink's certificate is made anew for each run; who answers is not what is measured here.
    const socket = this.#target.tls ? tls.connect({ ...options, rejectUnauthorized: false }) : net.connect(options);
    const reader = new MessageReader((head) => {
      if (/\r\nconnection: *close/i.test(head)) {
        this.#socket = undefined;
        socket.end();
      }
      this.#settle(Number(head.slice(9, 12)));
    });
    socket.on('data', (bytes: Buffer) => {
      try {
        reader.push(bytes);
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      if (this.#waiting) this.#settle(0);
    });
    return socket;
  }

  #settle(status: number): void {
    this.#waiting = false;
    this.#onAnswer(this, status);
  }
}
