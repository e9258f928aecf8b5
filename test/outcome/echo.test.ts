/** Gateways that quote the request that they were sent: nothing of its signature or its credentials is passed on. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { classify } from '../../src/outcome/classify.ts';
import { httpAnswer } from '../../src/outcome/http-answer.ts';
import { redact } from '../../src/outcome/redact.ts';
import { RemoteWriteSigner } from '../../src/aws/sigv4.ts';

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const textOf = (characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...characters.split('')), minLength, maxLength });

/** Identities in the form of STS: https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html */
const identities = fc.record({
  accessKeyId: textOf('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16, 16).map((id) => `ASIA${id}`),
  secretAccessKey: textOf(BASE64, 40, 40),
  sessionToken: textOf(BASE64, 300, 700).map((token) => `IQoJb3JpZ2luX2Vj${token}==`),
});

type Pairs = readonly (readonly [name: string, value: string])[];
const lines = (pairs: Pairs): string => pairs.map(([name, value]) => `${name}: ${value}`).join('\r\n');
const folded = (text: string, width: number): string => text.replaceAll(new RegExp(`.{${width}}`, 'g'), '$&\r\n');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The forms in which programs print the headers that they got. */
const FORMS: Readonly<Record<string, (pairs: Pairs) => string>> = {
  headers: lines,
  'headers in capitals': (pairs) => lines(pairs.map(([name, value]) => [name.toUpperCase(), value])),
  'headers on one line': (pairs) => lines(pairs).replaceAll('\r\n', ', '),
  JSON: (pairs) => JSON.stringify({ error: 'bad gateway', headers: Object.fromEntries(pairs) }),
  'JSON in JSON': (pairs) => JSON.stringify({ message: JSON.stringify({ headers: Object.fromEntries(pairs) }) }),
  'JSON pairs': (pairs) => JSON.stringify(pairs),
  'JSON names and values': (pairs) => JSON.stringify(pairs.map(([name, value]) => ({ name, value }))),
  'JSON lists': (pairs) => JSON.stringify(Object.fromEntries(pairs.map(([name, value]) => [name, [value]]))),
  'JSON with the headers as text': (pairs) => JSON.stringify({ message: `invalid request\n${lines(pairs)}` }),
  'a map of Go': (pairs) => `map[${pairs.map(([name, value]) => `${name}:[${value}]`).join(' ')}]`,
  'a dict of Python': (pairs) => `{${pairs.map(([name, value]) => `'${name}': '${value}'`).join(', ')}}`,
  'HTML text': (pairs) => `<pre>${lines(pairs).replaceAll('=', '&#61;').replaceAll('/', '&#x2F;')}</pre>`,
  'HTML attributes': (pairs) =>
    pairs.map(([name, value]) => `<input name=&quot;${name}&quot; value=&quot;${value}&quot;>`).join(''),
  'a query string': (pairs) => new URLSearchParams(pairs.map(([name, value]) => [name, value])).toString(),
  'percent-encoded': (pairs) => encodeURIComponent(lines(pairs)),
  'percent-encoded twice': (pairs) => encodeURIComponent(encodeURIComponent(lines(pairs))),
  base64: (pairs) => base64(lines(pairs)),
  'base64 of MIME': (pairs) => folded(base64(lines(pairs)), 76),
  'base64 of PEM': (pairs) => folded(base64(lines(pairs)), 64),
  'base64 for URLs': (pairs) => Buffer.from(lines(pairs)).toString('base64url'),
  'base64 of each value': (pairs) => pairs.map(([name, value]) => `${name}=${base64(value)}`).join('&'),
  hex: (pairs) => Buffer.from(lines(pairs)).toString('hex'),
  'a canonical request': (pairs) => `The Canonical String for this request should have been\n'POST\n${lines(pairs)}'`,
  'values alone': (pairs) => pairs.map(([, value]) => value).join('\n'),
};

/** Longer pieces than this would be worth something. */
const PIECE = 12;

function piecesOf(secret: string): Set<string> {
  return new Set(Array.from({ length: secret.length - PIECE + 1 }, (_, at) => secret.slice(at, at + PIECE)));
}

const echoes = fc
  .record({
    identity: identities,
    form: fc.constantFrom(...Object.keys(FORMS)),
    order: fc.constantFrom('as sent', 'backwards'),
    before: fc.constantFrom(
      '',
      'upstream connect error. ',
      '502 Bad Gateway\n',
      'per-user series limit of 1 exceeded: ',
    ),
    cutAt: fc.integer({ min: 100, max: 1024 }),
  })
  .map(({ identity, form, order, before, cutAt }) => {
    const signer = new RemoteWriteSigner(
      new URL('https://aps-workspaces.us-west-2.amazonaws.com/w/api/v1/remote_write'),
      'us-west-2',
    );
    const flat = signer.sign(Buffer.from('body'), identity, new Date('2026-01-01T00:00:00Z'));
    const sent = Array.from(
      { length: flat.length / 2 },
      (_, at) => [flat[2 * at] ?? '', flat[2 * at + 1] ?? ''] as const,
    );
    const pairs = order === 'as sent' ? sent : sent.toReversed();
    const encoded = FORMS[form]?.(pairs) ?? '';
    const signature = /Signature=([0-9a-f]{64})/.exec(flat.join(' '))?.[1] ?? '';
    const secrets = [signature, identity.sessionToken, identity.accessKeyId];
    return {
      form,
      text: (before + encoded).slice(0, cutAt),
      secrets: [...secrets, ...encodedSecrets(form, encoded, sent)],
    };
  });

/** If the secrets cannot be read in a form, their encoded pieces are secrets. */
function encodedSecrets(form: string, encoded: string, pairs: Pairs): string[] {
  if (form === 'base64 of each value') {
    return pairs
      .filter(([name]) => /^(?:authorization|x-amz-security-token)$/.test(name))
      .map(([, value]) => base64(value));
  }
  return /^(?:base64|hex)/.test(form) ? [encoded.replaceAll(/\s/g, '')] : [];
}

function leaksOf(shown: string, secrets: readonly string[]): string[] {
  const pieces = new Set(secrets.flatMap((secret) => [...piecesOf(secret)]));
  return [...piecesOf(shown.padEnd(PIECE))].filter((piece) => pieces.has(piece));
}

test('no secret of a quoted signed request is shown, whatever the form of the quotation', () => {
  fc.assert(
    fc.property(echoes, ({ form, text, secrets }) => {
      expect({ form, leaks: leaksOf(redact(text, 1024), secrets) }).toEqual({ form, leaks: [] });
    }),
    { numRuns: 400 },
  );
});

test('no secret of it is in the verdict on an answer, whatever the status', () => {
  const statuses = fc.constantFrom(200, 302, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504);
  fc.assert(
    fc.property(echoes, statuses, ({ form, text, secrets }, status) => {
      const verdict = classify({ kind: 'answered', status, message: text, retryAfter: undefined, date: undefined }, 0);
      const said = 'message' in verdict ? verdict.message : '';
      const told = verdict.kind === 'rejected' ? httpAnswer(verdict).body : '';
      expect({ form, leaks: leaksOf(`${said} | ${told}`, secrets) }).toEqual({ form, leaks: [] });
    }),
    { numRuns: 250 },
  );
});

test('no secret of it is in the verdict on an attempt that failed', () => {
  fc.assert(
    fc.property(echoes, ({ form, text, secrets }) => {
      const verdict = classify({ kind: 'failed', reason: 'garbage', message: text }, 0);
      const said = 'message' in verdict ? verdict.message : '';
      expect({ form, leaks: leaksOf(said, secrets) }).toEqual({ form, leaks: [] });
    }),
  );
});

test("AMP's text about data is shown to its sender unchanged", () => {
  const said =
    'user=123456789012_ws-EXAMPLE: err: out of order sample. timestamp=2026-01-01T00:00:00Z, series={__name__="container_network_receive_packets_dropped_total", namespace="kube-system", pod="amp-write-proxy-7d9f8b6c5d-abcde"}';
  const verdict = classify({ kind: 'answered', status: 400, message: said, retryAfter: undefined, date: undefined }, 0);
  expect(verdict.kind === 'rejected' && httpAnswer(verdict).body).toBe(said);
});
