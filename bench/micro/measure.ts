// Measuring for the micro-benches. Contenders take turns in one process, so that what disturbs the machine disturbs
// them alike and the ratios hold anywhere; of each the best turn counts, since other work only ever takes away.
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';

export type Contender = {
  readonly name: string;
  /** Does the table's operations once. A promise is awaited before the next call. */
  readonly work: () => unknown;
};

export type Table = {
  readonly title: string;
  /** An operation, in a word: body, batch, signature, parcel. */
  readonly unit: string;
  /** The number of operations in one call of `work`. */
  readonly operations: number;
  /** The bytes that one call processes, if a throughput is meaningful. */
  readonly throughput?: { readonly bytes: number; readonly of: string };
  /** Contenders that the others are given as multiples of. */
  readonly beside?: readonly string[];
  /** CPU of the process instead of time that has passed: for what mostly waits. */
  readonly countsCpu?: boolean;
  /** Also what an operation allocates in V8's heap. */
  readonly showsAllocations?: boolean;
};

type Figure = {
  readonly name: string;
  readonly nanoseconds: number;
  readonly allocatedBytes: number | undefined;
};

const TURN_MS = 20;

/** The first argument of a micro-bench: seconds for each figure. */
const seconds = Number(process.argv[2] ?? 1);
if (!(seconds > 0)) throw new Error(`seconds for each figure must be more than 0, and are ${process.argv[2]}`);

/** Measures the contenders and prints a line for each. */
export async function compare(table: Table, contenders: readonly Contender[]): Promise<void> {
  const nanoseconds = await bestNanoseconds(contenders, table.countsCpu ?? false);
  const figures: Figure[] = [];
  for (const [index, { name, work }] of contenders.entries()) {
    figures.push({
      name,
      nanoseconds: (nanoseconds[index] ?? 0) / table.operations,
      allocatedBytes: table.showsAllocations === true ? (await allocatedBytes(work)) / table.operations : undefined,
    });
  }
  print(table, figures);
}

/** Returns the time of one call of each, in the order of the contenders. */
async function bestNanoseconds(contenders: readonly Contender[], countsCpu: boolean): Promise<number[]> {
  const best = contenders.map(() => Infinity);
  const turnMs = Math.min(TURN_MS, seconds * 1000);
  const end = performance.now() + seconds * 1000 * contenders.length;
  do {
    for (const [index, { work }] of contenders.entries()) {
      const { calls, elapsedMs, cpuMs } = await turn(work, turnMs);
      best[index] = Math.min(best[index] ?? Infinity, ((countsCpu ? cpuMs : elapsedMs) * 1e6) / calls);
    }
  } while (performance.now() < end);
  return best;
}

/**
 * Calls `work` for so long; what does not return a promise is not awaited. It begins in a new turn of the event loop:
 * native addons give memory back between turns only, and one that never could is 10 times as slow (snappy).
 */
async function turn(
  work: () => unknown,
  durationMs: number,
): Promise<{ calls: number; elapsedMs: number; cpuMs: number }> {
  await nextTurn();
  let calls = 1;
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  const first = work();
  if (first instanceof Promise) {
    await first;
    for (; performance.now() - startMs < durationMs; calls += 1) await work();
  } else {
    for (; performance.now() - startMs < durationMs; calls += 1) work();
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return { calls, elapsedMs: performance.now() - startMs, cpuMs: (user + system) / 1000 };
}

/**
 * Returns the bytes that one call allocates. V8 counts whole buffers of some ten KB, which no longer shows after some
 * thousand calls.
 */
async function allocatedBytes(work: () => unknown): Promise<number> {
  const before = getHeapStatistics().total_allocated_bytes;
  const { calls } = await turn(work, seconds * 1000);
  return (getHeapStatistics().total_allocated_bytes - before) / calls;
}

function print(table: Table, figures: readonly Figure[]): void {
  const { unit, throughput, beside = [] } = table;
  const nameWidth = Math.max(...figures.map(({ name }) => name.length)) + 2;
  const columns: { head: string; cell: (figure: Figure) => string }[] = [
    { head: `ns/${unit}`, cell: ({ nanoseconds }) => grouped(nanoseconds) },
    { head: `${unit}/s`, cell: ({ nanoseconds }) => grouped(1e9 / nanoseconds) },
  ];
  if (throughput !== undefined) {
    const bytes = throughput.bytes / table.operations;
    columns.push({ head: `GB/s ${throughput.of}`, cell: ({ nanoseconds }) => (bytes / nanoseconds).toFixed(2) });
  }
  if (table.showsAllocations === true) {
    columns.push({ head: `bytes/${unit}`, cell: ({ allocatedBytes = 0 }) => grouped(allocatedBytes) });
  }
  for (const base of beside) {
    const baseNanoseconds = figures.find(({ name }) => name === base)?.nanoseconds;
    if (baseNanoseconds === undefined) throw new Error(`no contender is called ${base}`);
    columns.push({ head: `x ${base}`, cell: ({ nanoseconds }) => (baseNanoseconds / nanoseconds).toFixed(2) });
  }
  const widths = columns.map(({ head, cell }) =>
    Math.max(head.length, ...figures.map((figure) => cell(figure).length)),
  );
  const line = (name: string, cells: readonly string[]): string =>
    `  ${name.padEnd(nameWidth)}${cells.map((cell, index) => cell.padStart(widths[index] ?? 0)).join('  ')}`;
  console.log(`\n${table.title}`);
  console.log(
    line(
      '',
      columns.map(({ head }) => head),
    ),
  );
  for (const figure of figures)
    console.log(
      line(
        figure.name,
        columns.map(({ cell }) => cell(figure)),
      ),
    );
}

/** Three digits at the least, with a space between thousands. */
function grouped(value: number): string {
  const digits = value < 100 ? value.toPrecision(3) : value.toFixed(0);
  return digits.replaceAll(/\B(?=(?:\d{3})+$)/gu, ' ');
}
