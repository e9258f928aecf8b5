import { expect, test } from 'vitest';
import { UpstreamClock } from '../../src/aws/clock.ts';

const WALL_MS = Date.UTC(2026, 0, 2, 3, 0, 0);

function makeClock(): { clock: UpstreamClock; set: (ms: number) => void } {
  let wallMs = WALL_MS;
  const clock = new UpstreamClock(() => wallMs);
  return {
    clock,
    set: (ms) => {
      wallMs = ms;
    },
  };
}

const httpDate = (ms: number): string => new Date(ms).toUTCString();

test('trusts the own clock until it is told otherwise', () => {
  const { clock } = makeClock();
  expect(clock.now().getTime()).toBe(WALL_MS);
  expect(clock.skewMs).toBe(0);
});

test.each([3_600_000, -3_600_000])('takes over a skew of %i ms', (skewMs) => {
  const { clock } = makeClock();
  expect(clock.correct(httpDate(WALL_MS + skewMs))).toBe(true);
  expect(clock.now().getTime()).toBe(WALL_MS + skewMs);
});

test('a difference that a Date header cannot show is none', () => {
  const { clock } = makeClock();
  expect(clock.correct(httpDate(WALL_MS + 4000))).toBe(false);
  expect(clock.skewMs).toBe(0);
});

test('goes back to the own clock when that was set right', () => {
  const { clock, set } = makeClock();
  clock.correct(httpDate(WALL_MS + 3_600_000));
  set(WALL_MS + 3_600_000);
  expect(clock.correct(httpDate(WALL_MS + 3_600_000))).toBe(true);
  expect(clock.skewMs).toBe(0);
});

test('goes back to exactly the own clock, without the seconds that a Date header cannot show', () => {
  const { clock, set } = makeClock();
  clock.correct(httpDate(WALL_MS + 3_600_000));
  set(WALL_MS + 3_597_000);
  expect(clock.correct(httpDate(WALL_MS + 3_600_000))).toBe(true);
  expect(clock.skewMs).toBe(0);
});

test('the same skew again is no change', () => {
  const { clock } = makeClock();
  clock.correct(httpDate(WALL_MS + 3_600_000));
  expect(clock.correct(httpDate(WALL_MS + 3_601_000))).toBe(false);
  expect(clock.skewMs).toBe(3_600_000);
});

test.each([undefined, '', 'yesterday'])('an answer without a usable Date (%j) changes nothing', (date) => {
  const { clock } = makeClock();
  expect(clock.correct(date)).toBe(false);
  expect(clock.skewMs).toBe(0);
});
