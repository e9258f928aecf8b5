/**
 * Routes of the query port: which workspace a request reads, and what it asks of it.
 *
 *     /api/v1/query                    the first entry that can be read
 *     /NAME/api/v1/query               the entry of that name
 *     /workspaces/WS/api/v1/query      the entry of that workspace, as AMP and aws-sigv4-proxy have it
 *
 * A path is compared as it was sent. One that becomes ours only by decoding or by `..` is not ours.
 */
import { API_ROUTES, BUILDINFO_PATH, type ApiRoute } from './api.ts';
import { percentEncoded } from './query-string.ts';

export interface ReadableEntry {
  readonly name: string;
  /** Workspace id in the URL, if it has one. */
  readonly workspaceId: string | undefined;
}

export type FoundRoute<Entry> =
  | {
      readonly kind: 'route';
      readonly entry: Entry;
      readonly route: ApiRoute;
      /** Below the URL of the workspace, in the form that is signed. */
      readonly path: string;
      readonly action: string;
    }
  | { readonly kind: 'buildinfo'; readonly entry: Entry }
  | { readonly kind: 'wrong_method'; readonly allow: string }
  | { readonly kind: 'unknown'; readonly message: string };

/** A segment that the reader chooses: whatever it is, it stays one segment below its parent. */
const SEGMENT = /^(?!(?:\.|%2e){1,2}$)[^/]+$/i;

export class QueryRoutes<Entry extends ReadableEntry> {
  readonly #routes: readonly ApiRoute[];
  readonly #entries: readonly [Entry, ...Entry[]];
  readonly #byPrefix = new Map<string, Entry>();

  /** @param withAlertmanager query.alertmanager */
  constructor(entries: readonly [Entry, ...Entry[]], withAlertmanager: boolean) {
    this.#entries = entries;
    this.#routes = API_ROUTES.filter(({ api }) => api === 'prometheus' || withAlertmanager);
    // Where two have one workspace, the first is meant.
    for (const entry of entries.toReversed()) {
      this.#byPrefix.set(`/${entry.name}`, entry);
      if (entry.workspaceId !== undefined) this.#byPrefix.set(`/workspaces/${entry.workspaceId}`, entry);
    }
    const [first] = entries;
    this.#byPrefix.set('', first);
  }

  /** @param path of the request line, as it was sent and without its query */
  find(method: string, path: string): FoundRoute<Entry> {
    const [, prefix = '', below = ''] = /^(.*?)(\/(?:api\/v1|alertmanager\/api\/v2)\/.*)$/s.exec(path) ?? [];
    const entry = this.#byPrefix.get(prefix);
    if (below === '') return this.#unknown('there is no such route');
    if (below === BUILDINFO_PATH && entry !== undefined) {
      return method === 'GET' ? { kind: 'buildinfo', entry } : { kind: 'wrong_method', allow: 'GET' };
    }
    for (const route of this.#routes) {
      const signedPath = match(route, below);
      if (signedPath === undefined) continue;
      if (entry === undefined) return this.#unknown(`no entry of remote_write can be read at ${quoted(prefix)}`);
      const action = Object.hasOwn(route.actions, method) ? route.actions[method] : undefined;
      if (action === undefined) return { kind: 'wrong_method', allow: Object.keys(route.actions).join(', ') };
      return { kind: 'route', entry, route, path: signedPath, action };
    }
    return this.#unknown('there is no such route');
  }

  #unknown(what: string): FoundRoute<Entry> {
    const entries = this.#entries.map(({ name }) => name).join(', ');
    const paths = [...this.#routes.map((route) => route.path), BUILDINFO_PATH].join(', ');
    return {
      kind: 'unknown',
      message: `${what}; readers use ${paths}, after nothing, /NAME or /workspaces/WS; the names are ${entries}`,
    };
  }
}

/** @returns the path in the form that is signed, or undefined where it is not of this route */
function match({ path }: ApiRoute, asked: string): string | undefined {
  if (!path.includes(':')) return path === asked ? path : undefined;
  const wanted = path.split('/');
  const given = asked.split('/');
  if (given.length !== wanted.length) return undefined;
  const signed: string[] = [];
  for (const [index, part] of wanted.entries()) {
    const { [index]: segment = '' } = given;
    if (part.startsWith(':')) {
      const chosen = SEGMENT.test(segment) ? tryRewrite(segment) : undefined;
      if (chosen === undefined) return undefined;
      signed.push(chosen);
    } else if (part === segment) signed.push(part);
    else return undefined;
  }
  return signed.join('/');
}

/** Undefined for what is not UTF-8 after decoding: no label and no silence has such a name. */
function tryRewrite(segment: string): string | undefined {
  try {
    return percentEncoded(decodeURIComponent(segment));
  } catch {
    return undefined;
  }
}

function quoted(value: string): string {
  return JSON.stringify(value.slice(0, 100));
}
