/** What may be told of a configuration: no secrets, and no userinfo of URLs. */

const REDACTED = '<redacted>';

/** An access key id is no secret, but it tells whose secret to look for; nobody needs it in a log. */
const SECRET_KEYS = ['access_key', 'secret_key', 'external_id'] as const;

export function isSecretKey(key: string | number | undefined): boolean {
  return SECRET_KEYS.some((secret) => secret === key);
}

export function isUrlKey(key: string | number | undefined): boolean {
  return key === 'url' || key === 'proxy_url';
}

/** Works on text that is not a valid URL too, for error messages show it: everything up to the last @ goes. */
export function hideUserinfo(url: string): string {
  return url.replace(/^([^/]*\/\/)?.*@/s, (_whole, scheme?: string) => `${scheme ?? ''}${REDACTED}@`);
}
