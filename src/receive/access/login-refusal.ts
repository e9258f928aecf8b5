/** A request that server.auth denies: the same answer whatever it asked for. */
import type { Denied } from '../../outcome/outcome.ts';
import type { AuthResult } from './auth.ts';

export interface LoginRefusal extends Denied {
  readonly status: 401 | 503;
  /** A label of the metric of requests that were denied early (turned away). */
  readonly reason: 'unauthorized' | 'too_many_logins';
  /** For the status page. */
  readonly told: string;
}

/** @param scheme the scheme that the sender must use */
export function refusalOf(result: Exclude<AuthResult, 'allowed'>, scheme: string): LoginRefusal {
  if (result === 'busy') return TOO_MANY;
  return {
    kind: 'denied',
    status: 401,
    reason: 'unauthorized',
    told: 'server.auth does not know it',
    message: 'server.auth of the proxy does not know this sender; check the authorization of its remote_write',
    headers: { 'www-authenticate': `${scheme} realm="amp-write-proxy"` },
  };
}

const TOO_MANY: LoginRefusal = {
  kind: 'denied',
  status: 503,
  reason: 'too_many_logins',
  told: 'too many logins at once',
  message: 'too many logins at once',
};
