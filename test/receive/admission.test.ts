import { expect, test } from 'vitest';
import { RequestError } from '../../src/errors.ts';
import { assertBodySize, assertRemoteWrite1, ByteBudget, overBudget } from '../../src/receive/admission.ts';

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
  expect(() => assertRemoteWrite1({ 'content-type': type, 'content-encoding': encoding })).not.toThrow();
});

test.each([undefined, '', 'text/plain', 'application/json', `${TYPE}x`, `x${TYPE}`])(
  'refuses the content type %j and says what is supported',
  (type) => {
    const headers = { 'content-encoding': 'snappy', ...(type === undefined ? {} : { 'content-type': type }) };
    const error = refusal(() => assertRemoteWrite1(headers));
    expect(error.httpStatus).toBe(415);
    expect(error.message).toContain('Content-Type: application/x-protobuf');
    expect(error.message).toContain('Content-Encoding: snappy');
  },
);

test.each([undefined, '', 'gzip', 'zstd', 'identity', 'snappy, gzip'])(
  'refuses the content encoding %j and says what is supported',
  (encoding) => {
    const headers = { 'content-type': TYPE, ...(encoding === undefined ? {} : { 'content-encoding': encoding }) };
    const error = refusal(() => assertRemoteWrite1(headers));
    expect(error.httpStatus).toBe(415);
    expect(error.message).toContain('Content-Encoding: snappy');
  },
);

test('refuses remote write 2.0 as what it is, and names the remedy', () => {
  // As Prometheus 3.5 sends it (test/fixtures/wire).
  const type = `${TYPE};proto=io.prometheus.write.v2.Request`;
  const error = refusal(() => assertRemoteWrite1({ 'content-type': type, 'content-encoding': 'snappy' }));
  expect(error.httpStatus).toBe(415);
  expect(error.message).toContain('remote write 2.0');
  expect(error.message).toContain('protobuf_message: prometheus.WriteRequest');
});

test('a message quotes no more than 100 characters of what the sender wrote, and no control characters', () => {
  const type = `text/${'x'.repeat(5000)}`;
  const { message } = refusal(() => assertRemoteWrite1({ 'content-type': type }));
  expect(message.length).toBeLessThan(300);
  expect(refusal(() => assertRemoteWrite1({ 'content-type': 'a\u001b[31m' })).message).not.toContain('\u001b');
});

test('a body of the limit is accepted, and of one byte more refused with what to do', () => {
  expect(() => assertBodySize(1000, 1000)).not.toThrow();
  const error = refusal(() => assertBodySize(12_100_000, 10 * 1024 * 1024));
  expect(error.httpStatus).toBe(413);
  expect(error.message).toContain('12.1 MB');
  expect(error.message).toContain('limits.max_body_bytes (10MiB)');
});

test('the budget is never exceeded and can be filled exactly', () => {
  const budget = new ByteBudget(100);
  expect([budget.tryReserve(60), budget.tryReserve(41), budget.tryReserve(40), budget.tryReserve(1)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
  budget.release(60);
  expect(budget.usedBytes).toBe(40);
  expect(budget.tryReserve(60)).toBe(true);
});

test('over the budget is 503, for the sender to come again', () => {
  const error = overBudget(new ByteBudget(100));
  expect(error.httpStatus).toBe(503);
  expect(error.message).toContain('limits.max_inflight_bytes');
});
