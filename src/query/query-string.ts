/**
 * Query strings in the one form that every verifier of SigV4 reads alike: names and values percent-encoded as RFC 3986
 * has it, a `=` in each. Readers write a space as `+`, and may leave out what need not be encoded; services differ in
 * what they make of that when they check a signature.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
 */

export type Parameters = readonly (readonly [name: string, value: string])[];

/** A query string that cannot be sent on. The message is for the reader. */
export class QueryStringError extends Error {
  readonly code = 'QUERY_STRING_INVALID';

  constructor(message: string) {
    super(message);
    this.name = 'QueryStringError';
  }
}

/**
 * Parameters in their order, repeated and empty ones included; refuses what Go's url.ParseQuery does.
 * @throws QueryStringError
 */
export function parseQueryString(text: string): Parameters {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      if (pair.includes(';')) throw new QueryStringError('invalid semicolon separator in query');
      const equals = pair.indexOf('=');
      const name = decoded(equals === -1 ? pair : pair.slice(0, equals));
      assertPassedOn(name);
      return [name, decoded(equals === -1 ? '' : pair.slice(equals + 1))] as const;
    });
}

export function formatQueryString(parameters: Parameters): string {
  return parameters.map(([name, value]) => `${percentEncoded(name)}=${percentEncoded(value)}`).join('&');
}

/** All but A-Z, a-z, 0-9, `-`, `.`, `_` and `~`. */
export function percentEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function decoded(text: string): string {
  const malformed = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(text);
  if (malformed !== null) throw new QueryStringError(`invalid URL escape ${JSON.stringify(malformed[0])}`);
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new QueryStringError('a parameter is not UTF-8 after decoding; Prometheus takes UTF-8 only');
  }
}

/** AWS would take the first for a signature in the URL, and the signer leaves out the second. */
function assertPassedOn(name: string): void {
  if (!/^x-amz-/i.test(name) && name !== '__proto__') return;
  throw new QueryStringError(`the parameter ${JSON.stringify(name.slice(0, 100))} is not one of Prometheus's API`);
}
