/** What may be logged of a configuration: secrets and the userinfo of URLs are taken out. */
import type { Config } from './schema.ts';

export const REDACTED = '<redacted>';

/** An access key id is no secret, but it tells whose secret to look for; nobody needs it in a log. */
const SECRET_KEYS = ['access_key', 'secret_key', 'external_id'] as const;

export function isSecretKey(key: string | number | undefined): boolean {
  return SECRET_KEYS.some((secret) => secret === key);
}

/** A copy that is safe to log. */
export function redactConfig(config: Config): Config {
  const copy = structuredClone(config);
  for (const entry of copy.remote_write) {
    for (const key of SECRET_KEYS) {
      if (entry.sigv4[key] !== undefined) entry.sigv4[key] = REDACTED;
    }
    entry.url = hideUserinfo(entry.url);
    if (entry.proxy_url !== undefined) entry.proxy_url = hideUserinfo(entry.proxy_url);
  }
  return copy;
}

export function isUrlKey(key: string | number | undefined): boolean {
  return key === 'url' || key === 'proxy_url';
}

/** Works on text that is not a valid URL too, for error messages show it: everything up to the last @ goes. */
export function hideUserinfo(url: string): string {
  return url.replace(/^([^/]*\/\/)?.*@/s, (_whole, scheme?: string) => `${scheme ?? ''}${REDACTED}@`);
}
