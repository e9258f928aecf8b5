/**
 * Routes: where a request on the write port leads.
 *
 *     POST /api/v1/write                              the first remote_write entry
 *     POST /api/v1/write/NAME                         the entry of that name
 *     POST /workspaces/WS/api/v1/remote_write         the entry whose URL names the workspace WS
 *
 * A slash at the end and a query make no difference. A write that names no entry is answered 503, since Prometheus drops
 * on 404 what a corrected path or configuration would deliver. Everything else is 404, or 405 for another method.
 */
import type { Denied } from '../outcome/outcome.ts';

export interface RoutedEntry {
  readonly name: string;
  /** The workspace id in the URL, if it has one. */
  readonly workspaceId: string | undefined;
}

/** The answer to a request that leads nowhere. */
export interface Unrouted extends Denied {
  readonly status: 404 | 405 | 503;
  /** A label of the metric of requests that were denied early (turned away). */
  readonly reason: 'unknown_route' | 'unknown_entry';
}

export type Found<Entry> =
  | { readonly entry: Entry; readonly unrouted?: undefined }
  | { readonly entry?: undefined; readonly unrouted: Unrouted };

const WRITE_PATH = '/api/v1/write';
const SUPPORTED = `${WRITE_PATH}, ${WRITE_PATH}/NAME or /workspaces/WS/api/v1/remote_write`;
/** A path as senders write it; names of entries and workspaces need no other characters. */
const PLAIN = /^[\w./-]+$/;
const NAMED = /^\/api\/v1\/write\/(.*)$/;
const OF_WORKSPACE = /^\/workspaces\/(.*)\/remote_write$/;
/** Nothing changes until somebody corrects a path or restarts the proxy. */
const RETRY_AFTER_MS = 10_000;

export class Routes<Entry extends RoutedEntry> {
  readonly #byPath = new Map<string, Entry>();
  readonly #names: string;

  constructor(entries: readonly [Entry, ...Entry[]]) {
    this.#names = entries.map(({ name }) => name).join(', ');
    // If two entries have the same workspace, the first one gets the requests.
    for (const entry of entries.toReversed()) {
      this.#byPath.set(`${WRITE_PATH}/${entry.name}`, entry);
      if (entry.workspaceId !== undefined) {
        this.#byPath.set(`/workspaces/${entry.workspaceId}/api/v1/remote_write`, entry);
      }
    }
    this.#byPath.set(WRITE_PATH, entries[0]);
  }

  /** Returns the entry of a path that is written exactly as above. */
  tryExact(path: string): Entry | undefined {
    return this.#byPath.get(path);
  }

  /** Returns true if the path needs no decoding and has no query, whether it leads anywhere or not. */
  isPlain(path: string): boolean {
    return PLAIN.test(path);
  }

  /** @param target the target of the request line, whatever it holds */
  find(method: string, target: string): Found<Entry> {
    const path = decoded(target.replace(/[?#].*$/s, '')).replace(/\/$/, '');
    if (method !== 'POST') return { unrouted: path.includes('write') ? wrongMethod(method) : unknownRoute() };
    const entry = this.#byPath.get(path);
    return entry === undefined ? { unrouted: this.#unknownEntry(path) ?? unknownRoute() } : { entry };
  }

  #unknownEntry(path: string): Unrouted | undefined {
    const name = NAMED.exec(path)?.[1];
    if (name !== undefined) {
      return unknownEntry(`no remote_write entry is named ${quoted(name)}; there are ${this.#names}`);
    }
    const workspace = OF_WORKSPACE.exec(path)?.[1]?.replace(/\/api\/v1$/, '');
    if (workspace === undefined) return undefined;
    return unknownEntry(`no remote_write entry has a url with the workspace ${quoted(workspace)}`);
  }
}

function unknownEntry(what: string): Unrouted {
  const message = `${what}; correct the url in the sender's remote_write, or add the entry to the proxy's configuration`;
  return { kind: 'denied', status: 503, reason: 'unknown_entry', message, retryAfterMs: RETRY_AFTER_MS };
}

function unknownRoute(): Unrouted {
  const message = `there is no such route; senders write to ${SUPPORTED}`;
  return { kind: 'denied', status: 404, reason: 'unknown_route', message };
}

function wrongMethod(method: string): Unrouted {
  const message = `${method} is not supported; remote_write is POST`;
  return { kind: 'denied', status: 405, reason: 'unknown_route', message, headers: { allow: 'POST' } };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // A malformed escape is no path of the proxy either.
  }
}

function quoted(value: string): string {
  return JSON.stringify(value.slice(0, 100));
}
