import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { SigningKey } from '../../src/aws/signing-key.ts';

/** AWS's own example: https://docs.aws.amazon.com/general/latest/gr/signature-v4-examples.html */
const EXAMPLE = ['wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', '20120215', 'us-east-1', 'iam'] as const;
const EXAMPLE_KEY = 'f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d';

test.each(['', 'a', 'b', 'as long as a block of SHA-256 is, and then a bit over, to be sure', 'x'.repeat(1000), 'a'])(
  'signs with the key of the example in the documentation of AWS: %j',
  (text) => {
    const expected = createHmac('sha256', Buffer.from(EXAMPLE_KEY, 'hex')).update(text).digest('hex');
    expect(new SigningKey(...EXAMPLE).sign(text)).toBe(expected);
  },
);

test('signs texts of any lengths one after another', () => {
  const key = new SigningKey(...EXAMPLE);
  for (const text of ['first', 'second', 'a text that is longer', '', 'first']) {
    const expected = createHmac('sha256', Buffer.from(EXAMPLE_KEY, 'hex')).update(text).digest('hex');
    expect(key.sign(text)).toBe(expected);
  }
});

test('is another key for another secret, day, region or service', () => {
  const signatures = EXAMPLE.map((_, changed) => {
    const [secret, day, region, service] = EXAMPLE.map((part, index) => (index === changed ? `${part}0` : part));
    return new SigningKey(secret ?? '', day ?? '', region ?? '', service ?? '').sign('text');
  });
  expect(new Set(signatures).size).toBe(4);
});

test('does not show its bytes in JSON or when it is inspected', () => {
  const key = new SigningKey(...EXAMPLE);
  key.sign('text');
  const shown = [JSON.stringify(key), inspect(key, { depth: Infinity, showHidden: true })].join('\n');
  expect(shown).toBe('{}\nSigningKey {}');
});
