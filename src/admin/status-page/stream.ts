/**
 * Stream: server-sent events to a bounded number of pages (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * A page that does not read is let go, so that nothing piles up here.
 */
import type { ServerResponse } from 'node:http';

/** Pages that may look at the same time. */
export const MAX_PAGES = 16;
/** Of one address, so that others can look beside somebody's forgotten tabs. Through a port-forward all have one. */
export const MAX_PAGES_OF_ADDRESS = 8;
/** What may wait for a page that reads slowly; a history is a tenth of it for one destination. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** How soon a page that was cut off comes back. */
const RETRY_MS = 2_000;

export class Stream {
  readonly #pages = new Set<ServerResponse>();

  get pages(): number {
    return this.#pages.size;
  }

  /** False when there are enough already, of all or of its address; nothing is written then. */
  tryAdd(response: ServerResponse, headers: Readonly<Record<string, string>>): boolean {
    const address = response.socket?.remoteAddress;
    const ofAddress = [...this.#pages].filter((page) => page.socket?.remoteAddress === address);
    if (this.#pages.size >= MAX_PAGES || ofAddress.length >= MAX_PAGES_OF_ADDRESS) return false;
    this.#pages.add(response);
    response.once('close', () => this.#pages.delete(response));
    response.on('error', () => response.destroy());
    // x-accel-buffering: a proxy on the way is to pass events on as they come.
    const own = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' };
    response.writeHead(200, { ...headers, ...own });
    response.write(`retry: ${RETRY_MS}\n\n`);
    return true;
  }

  /** To one page. */
  tell(response: ServerResponse, event: string, data: unknown): void {
    response.write(eventText(event, data));
  }

  /** To all of them. */
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

/** JSON has no line ends, so that it is one `data` line. */
function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
