/** Redacts a configuration: no secrets, and no userinfo of URLs. */
import type { KeyPath } from './problem.ts';

const REDACTED = '<redacted>';

/**
 * An access key id is no secret, but it tells whose secret to look for, and no log needs it. The headers of
 * proxy_connect_header often hold credentials.
 */
const SECRET_KEYS = ['access_key', 'secret_key', 'external_id', 'proxy_connect_header'] as const;

/** True for the path of a secret, and of whatever is inside a secret section. */
export function isSecret(path: KeyPath): boolean {
  return SECRET_KEYS.some((secret) => path.includes(secret));
}

export function isUrlKey(key: string | number | undefined): boolean {
  return key === 'url' || key === 'proxy_url';
}

/**
 * Works on a text that is not a valid URL too, since error messages show it: everything up to the last @ is removed.
 */
export function hideUserinfo(url: string): string {
  return url.replace(/^([^/]*\/\/)?.*@/s, (_whole, scheme?: string) => `${scheme ?? ''}${REDACTED}@`);
}
