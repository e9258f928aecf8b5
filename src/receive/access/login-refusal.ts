/** The answer to a sender that server.auth denies: the same whatever it asked for. */
import type { AuthResult } from './auth.ts';

export interface LoginRefusal {
  readonly status: 401 | 503;
  /** A label of the metric of requests that were denied early (turned away). */
  readonly reason: 'unauthorized' | 'too_many_logins';
  /** For the status page. */
  readonly told: string;
  /** For the sender. */
  readonly text: string;
  readonly headers: Readonly<Record<string, string | number>>;
}

/** @param scheme the scheme that the sender must use */
export function refusalOf(result: Exclude<AuthResult, 'allowed'>, scheme: string): LoginRefusal {
  if (result === 'busy') return TOO_MANY;
  return {
    status: 401,
    reason: 'unauthorized',
    told: 'server.auth does not know it',
    text: 'server.auth of the proxy does not know this sender; check the authorization of its remote_write',
    headers: { 'www-authenticate': `${scheme} realm="amp-write-proxy"` },
  };
}

const TOO_MANY: LoginRefusal = {
  status: 503,
  reason: 'too_many_logins',
  told: 'too many logins at once',
  text: 'too many logins at once',
  headers: { 'retry-after': 1 },
};
