import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { deriveSigningKey } from '../../src/sign/signing-key.ts';

/** AWS's own example: https://docs.aws.amazon.com/general/latest/gr/signature-v4-examples.html */
const EXAMPLE = ['wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', '20120215', 'us-east-1', 'iam'] as const;
const EXAMPLE_KEY = 'f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d';

test('is the key of the example in the documentation of AWS', () => {
  expect(
    deriveSigningKey(...EXAMPLE)
      .export()
      .toString('hex'),
  ).toBe(EXAMPLE_KEY);
});

test('is another key for another secret, day, region or service', () => {
  const keys = EXAMPLE.map((_, changed) => {
    const [secret, day, region, service] = EXAMPLE.map((part, index) => (index === changed ? `${part}0` : part));
    return deriveSigningKey(secret ?? '', day ?? '', region ?? '', service ?? '');
  });
  const hashes = keys.map((key) => createHash('sha256').update(key.export()).digest('hex'));
  expect(new Set(hashes).size).toBe(4);
});

test('does not show its bytes in JSON or when it is inspected', () => {
  const key = deriveSigningKey(...EXAMPLE);
  const shown = [JSON.stringify(key), inspect(key, { depth: Infinity, showHidden: true })].join('\n');
  expect(shown.replace(/[^0-9a-f]/giu, '')).not.toContain(EXAMPLE_KEY.slice(0, 8));
});
