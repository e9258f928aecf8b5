/**
 * Stream: server-sent events to a bounded number of pages
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html). A page that does not read is disconnected, so that
 * no data accumulates.
 */
import type { ServerResponse } from 'node:http';

/** Pages that may look at the same time. */
export const MAX_PAGES = 16;
/**
 * The limit per address, so that others can connect despite somebody's forgotten tabs. Through a port-forward all pages
 * have one address.
 */
export const MAX_PAGES_OF_ADDRESS = 8;
/** The most data that may wait for a page that reads slowly; a history is a tenth of it for one destination. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** The time after which a page that was cut off reconnects. */
const RETRY_MS = 2_000;

export class Stream {
  readonly #pages = new Set<ServerResponse>();

  get pages(): number {
    return this.#pages.size;
  }

  /** Returns false if there are enough pages already, in all or of its address; nothing is written then. */
  tryAdd(response: ServerResponse, headers: Readonly<Record<string, string>>): boolean {
    const address = response.socket?.remoteAddress;
    const ofAddress = [...this.#pages].filter((page) => page.socket?.remoteAddress === address);
    if (this.#pages.size >= MAX_PAGES || ofAddress.length >= MAX_PAGES_OF_ADDRESS) return false;
    this.#pages.add(response);
    response.once('close', () => this.#pages.delete(response));
    response.on('error', () => response.destroy());
    // x-accel-buffering tells a proxy on the path to pass events on as they come.
    const own = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' };
    response.writeHead(200, { ...headers, ...own });
    response.write(`retry: ${RETRY_MS}\n\n`);
    return true;
  }

  /** Sends an event to one page. */
  tell(response: ServerResponse, event: string, data: unknown): void {
    response.write(eventText(event, data));
  }

  /** Sends an event to all pages. */
  tellAll(event: string, data: unknown): void {
    const text = eventText(event, data);
    for (const response of this.#pages) {
      if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
      else response.write(text);
    }
  }

  close(): void {
    for (const response of this.#pages) response.end();
  }
}

/** JSON has no line ends, so it fits one `data` line. */
function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
