import { expect, test } from 'vitest';
import { RequestError } from '../../src/outcome/errors.ts';
import { assertRemoteWrite1 } from '../../src/receive/content-format.ts';

const TYPE = 'application/x-protobuf';

function refusal(run: () => void): RequestError {
  try {
    run();
  } catch (error) {
    if (error instanceof RequestError) return error;
  }
  throw new Error('nothing was refused');
}

test.each([
  [TYPE, 'snappy'],
  ['Application/X-Protobuf', 'Snappy'],
  [`${TYPE};proto=prometheus.WriteRequest`, 'snappy'],
  [`${TYPE}; proto="prometheus.WriteRequest"`, ' snappy '],
  [`${TYPE}; charset=utf-8`, 'snappy'],
])('accepts %j with %j', (type, encoding) => {
  expect(() => assertRemoteWrite1(type, encoding)).not.toThrow();
});

test.each([undefined, '', 'text/plain', 'application/json', `${TYPE}x`, `x${TYPE}`])(
  'refuses the content type %j and says what is supported',
  (type) => {
    const error = refusal(() => assertRemoteWrite1(type, 'snappy'));
    expect(error.httpStatus).toBe(415);
    expect(error.message).toContain('Content-Type: application/x-protobuf');
    expect(error.message).toContain('Content-Encoding: snappy');
  },
);

test.each([undefined, '', 'gzip', 'zstd', 'identity', 'snappy, gzip'])(
  'refuses the content encoding %j and says what is supported',
  (encoding) => {
    const error = refusal(() => assertRemoteWrite1(TYPE, encoding));
    expect(error.httpStatus).toBe(415);
    expect(error.message).toContain('Content-Encoding: snappy');
  },
);

test('refuses remote write 2.0 as what it is, and names the remedy', () => {
  // Prometheus 3.5 sends this (test/fixtures/wire).
  const type = `${TYPE};proto=io.prometheus.write.v2.Request`;
  const error = refusal(() => assertRemoteWrite1(type, 'snappy'));
  expect(error.httpStatus).toBe(415);
  expect(error.message).toContain('remote write 2.0');
  expect(error.message).toContain('protobuf_message: prometheus.WriteRequest');
});

test('a message quotes no more than 100 characters of what the sender wrote, and no control characters', () => {
  const type = `text/${'x'.repeat(5000)}`;
  const { message } = refusal(() => assertRemoteWrite1(type, undefined));
  expect(message.length).toBeLessThan(300);
  expect(refusal(() => assertRemoteWrite1('a\u001b[31m', undefined)).message).not.toContain('\u001b');
});
