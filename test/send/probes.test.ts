import { describe, expect, test } from 'vitest';
import type { Parcel } from '../../src/parcel/parcel.ts';
import { PROBES, Probes } from '../../src/send/probes.ts';
import { makeConnection, makeParcel } from '../support/parcels.ts';

const from = (address: string, deliveredAtMs = -Infinity): Parcel =>
  makeParcel({ connection: { ...makeConnection(address), deliveredAtMs } });

describe('when probing begins', () => {
  test('four parcels are chosen, of different addresses first', () => {
    const probes = new Probes();
    const same = Array.from({ length: 5 }, () => from('a'));
    const others = ['b', 'c'].map((address) => from(address));
    probes.begin([...same, ...others], 0);
    expect([...same, ...others].map((parcel) => probes.has(parcel))).toEqual([
      true,
      true,
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  test('no connection has two probes', () => {
    const probes = new Probes();
    const connection = makeConnection('a');
    const parcels = [makeParcel({ connection }), makeParcel({ connection })];
    probes.begin(parcels, 0);
    expect(parcels.map((parcel) => probes.has(parcel))).toEqual([true, false]);
  });

  test('the probes of an earlier outage are forgotten', () => {
    const probes = new Probes();
    const [earlier, later] = [from('a'), from('a')];
    probes.begin([earlier], 0);
    probes.begin([later], 10);
    expect([probes.has(earlier), probes.has(later)]).toEqual([false, true]);
  });
});

/** Four probes of different addresses that have not been tried. */
function untried(): { probes: Probes; admitted: Parcel[] } {
  const probes = new Probes();
  const admitted = Array.from({ length: PROBES }, (_, at) => from(`early ${at}`, at));
  for (const parcel of admitted) expect(probes.tryAdmit(parcel, 0)).toEqual({ admitted: true });
  return { probes, admitted };
}

describe('while it probes', () => {
  test('four parcels are admitted and a fifth is not', () => {
    const { probes, admitted } = untried();
    expect(admitted.every((parcel) => probes.has(parcel))).toBe(true);
    const fifth = from('late', 100);
    expect(probes.tryAdmit(fifth, 999)).toEqual({ admitted: false });
    expect(probes.has(fifth)).toBe(false);
  });

  test('a parcel of a connection that has a probe is not admitted, though there is a place', () => {
    const probes = new Probes();
    const connection = makeConnection('a');
    probes.tryAdmit(makeParcel({ connection }), 0);
    expect(probes.tryAdmit(makeParcel({ connection }), 1)).toEqual({ admitted: false });
  });

  test('a probe that is settled makes a place for the next', () => {
    const { probes, admitted } = untried();
    for (const parcel of admitted.slice(0, 1)) probes.settled(parcel);
    expect(probes.tryAdmit(from('late'), 1)).toEqual({ admitted: true });
  });

  test('the failed probe whose connection delivered longest ago gives its place away', () => {
    const { probes, admitted } = untried();
    const late = from('late', 100);
    for (const at of [3, 1, 2]) probes.failed(admitted[at] ?? late);
    expect(probes.tryAdmit(late, 1)).toEqual({ admitted: true, displaced: admitted[1] });
    expect([probes.has(late), ...admitted.map((parcel) => probes.has(parcel))]).toEqual([
      true,
      true,
      false,
      true,
      true,
    ]);
  });

  test('a probe without an answer for a second gives its place away', () => {
    const { probes, admitted } = untried();
    expect(probes.tryAdmit(from('late', 100), 999)).toEqual({ admitted: false });
    const { admitted: isAdmitted, displaced } = probes.tryAdmit(from('late', 100), 1000);
    expect([isAdmitted, displaced === admitted[0]]).toEqual([true, true]);
  });

  test('one place changes every tenth of a second among connections that never delivered', () => {
    const probes = new Probes();
    probes.begin(
      ['a', 'b', 'c', 'd'].map((address) => from(address)),
      0,
    );
    const admittedAt: number[] = [];
    for (let nowMs = 1000; nowMs < 1300; nowMs += 10) {
      const parcel = from(`late ${nowMs}`);
      if (!probes.tryAdmit(parcel, nowMs).admitted) continue;
      admittedAt.push(nowMs);
      probes.failed(parcel);
    }
    expect(admittedAt).toEqual([1000, 1100, 1200]);
  });

  test('a sender whose data AMP took more recently need not wait for its turn', () => {
    const probes = new Probes();
    probes.begin(
      ['a', 'b', 'c', 'd'].map((address) => from(address)),
      0,
    );
    expect(probes.tryAdmit(from('late', 5), 1).admitted).toBe(true);
    expect(probes.tryAdmit(from('later', 6), 2).admitted).toBe(true);
  });

  test('an admitted parcel that has not been tried keeps its place beside those that have', () => {
    const probes = new Probes();
    probes.begin([from('tried', 50)], 0);
    const fresh = ['x', 'y', 'z'].map((address) => from(address, -Infinity));
    for (const parcel of fresh) probes.tryAdmit(parcel, 10);
    probes.tryAdmit(from('late', 100), 20);
    expect(fresh.every((parcel) => probes.has(parcel))).toBe(true);
  });

  test('a parcel that is no probe may fail or be settled', () => {
    const { probes, admitted } = untried();
    probes.failed(from('other'));
    probes.settled(from('other'));
    expect(admitted.every((parcel) => probes.has(parcel))).toBe(true);
  });
});

test('no parcel is a probe once probing ends', () => {
  const { probes, admitted } = untried();
  probes.end();
  expect(admitted.some((parcel) => probes.has(parcel))).toBe(false);
});
