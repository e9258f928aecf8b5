/** Where an entry of remote_write is read: its query_url, or the workspace that its url names. */
import type { Problem } from './problem.ts';

const REMOTE_WRITE_OF_WORKSPACE = /^(\/workspaces\/[^/]+)\/api\/v1\/remote_write$/;

/** `https://HOST/workspaces/WS` of the remote write URL of a workspace; undefined for any other URL. */
export function workspaceUrl(href: string): string | undefined {
  const url = new URL(href);
  const path = REMOTE_WRITE_OF_WORKSPACE.exec(url.pathname)?.[1];
  return path === undefined ? undefined : `${url.origin}${path}`;
}

export interface QueryUrlCheck {
  /** Without slashes at its end; undefined where the URL cannot be used. */
  readonly href: string | undefined;
  readonly problems: readonly Omit<Problem, 'path'>[];
  readonly warnings: readonly Omit<Problem, 'path'>[];
}

/** @param text as it stands in the file */
export function checkQueryUrl(text: string): QueryUrlCheck {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return refused('is not a URL; write it whole, beginning with https://');
  }
  if (url.username !== '' || url.password !== '') {
    return refused('holds credentials; remove them, requests are signed by sigv4');
  }
  if (text.includes('?') || text.includes('#')) return refused('has a query or a fragment; remove it');
  const path = url.pathname.replace(/\/+$/, '');
  if (/\/api\/v1(?:\/|$)/.test(path)) {
    return refused('goes too far; end it before /api/v1, as the URL of a data source in Grafana does');
  }
  const warnings =
    url.protocol === 'http:'
      ? [{ message: 'is plain http: anyone on the way can read and change the answers; prefer https' }]
      : [];
  return { href: `${url.origin}${path}`, problems: [], warnings };
}

function refused(message: string): QueryUrlCheck {
  return { href: undefined, problems: [{ message, showValue: true }], warnings: [] };
}
