import { expect, test } from 'vitest';
import { RecurringLog } from '../../src/platform/recurring-log.ts';

function makeLog(): { log: RecurringLog; lines: string[]; at: (nowMs: number) => void } {
  const lines: string[] = [];
  let nowMs = 0;
  const log = new RecurringLog(
    (fields, message) => lines.push(`${message} ${JSON.stringify(fields)}`),
    () => nowMs,
  );
  return {
    log,
    lines,
    at(ms) {
      nowMs = ms;
    },
  };
}

test('the first of a kind is logged at once, whatever else was logged', () => {
  const { log, lines } = makeLog();
  log.warn('404', {}, 'not found');
  log.warn('reset', {}, 'connection reset');
  expect(lines).toEqual(['not found {}', 'connection reset {}']);
});

test('a recurring warning is one line in ten seconds, with the number of occurrences', () => {
  const { log, lines, at } = makeLog();
  for (let ms = 0; ms <= 20_000; ms += 100) {
    at(ms);
    log.warn('503', { attempt: ms }, 'unavailable');
  }
  expect(lines).toEqual([
    'unavailable {"attempt":0}',
    'unavailable {"attempt":10000,"recurred":100}',
    'unavailable {"attempt":20000,"recurred":100}',
  ]);
});

test('kinds without end are forgotten, not kept', () => {
  const { log, lines } = makeLog();
  for (let kind = 0; kind < 200; kind += 1) log.warn(String(kind), {}, 'x');
  log.warn('0', {}, 'again');
  expect(lines).toHaveLength(201);
});
