/** No secret, token or signature may be in any log, at any level. */
import { expect } from 'vitest';
import type { Child } from './processes.ts';

/** Forms that only secrets have. */
const SECRET_FORMS: readonly (readonly [what: string, form: RegExp])[] = [
  ['an Authorization header', /AWS4-HMAC-SHA256\s+Credential/i],
  ['a signature', /Signature=[0-9a-f]{16}/i],
  ['a hash or signature', /\b[0-9a-f]{64}\b/],
  ['a JWT', /\beyJ[A-Za-z0-9_-]{8,}\.eyJ/],
  // The sandbox's session tokens have 128 characters, its secret keys 40, as those of AWS.
  ['a session token', /[A-Za-z0-9+/]{64,}={0,2}/],
  ['a secret key', /(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])/],
];

/** Checks the output of the process so far. `secrets` are those that the test knows. */
export function expectNoSecrets(
  child: Child,
  { secretAccessKey }: { readonly secretAccessKey: string },
  secrets: readonly string[] = [],
): void {
  expect(findSecret(child, [secretAccessKey, ...secrets])).toBeUndefined();
}

/** Returns a forbidden text in the log, in words and with its line; undefined if there is none. */
export function findSecret({ name, stdout, stderr }: Child, secrets: readonly string[] = []): string | undefined {
  for (const line of `${stdout}\n${stderr}`.split('\n')) {
    if (secrets.some((secret) => secret !== '' && line.includes(secret))) {
      return `a known secret is in the log of ${name}: ${line}`;
    }
    for (const [what, form] of SECRET_FORMS) {
      if (form.test(line)) return `${what} is in the log of ${name}: ${line}`;
    }
  }
  return undefined;
}
