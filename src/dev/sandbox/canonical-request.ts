/**
 * The canonical request of a request with a query string, as AWS specifies it: names and values are sorted as they are
 * encoded. The first version of the SDK's signer sorts them before it encodes them, which makes a difference for
 * `match[]=up&match[]={job="x"}`.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
 */
import type { ReceivedRequest } from './verify-signature.ts';

export function canonicalRequest(
  { method, target, headers }: ReceivedRequest,
  signedHeaders: readonly string[],
  bodyHash: string,
): string {
  const url = new URL(target, 'http://sandbox.invalid');
  const [path = ''] = target.split('?', 1);
  const query = [...url.searchParams]
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const names = signedHeaders.toSorted();
  return [
    method,
    path.split('/').map(encode).join('/'),
    query,
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/\s+/gu, ' ')}`),
    '',
    names.join(';'),
    bodyHash,
  ].join('\n');
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** All but A-Z, a-z, 0-9, `-`, `.`, `_` and `~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/gu,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
