// bench/scaling/scaling.svg: six small panels, one factor each; dots are measured, the dashed line is what the fitted costs or
// the simulation say.
import { predictByBytes, predictCpuSeconds } from './cost-fit.ts';
import { simulateSenders } from './check.ts';
import { fitAll, isCut, isOrdinary, workOf, type Fits, type MeasuredRow, type ScalingResults } from './results.ts';
import type { Factor } from './rows.ts';
import { COLOURS, fixed, STYLE, text } from '../figures/svg.ts';
import { count } from '../figures/table.ts';

const WIDTH = 860;
const COLUMNS = 2;
const PANEL = { width: 420, height: 210, left: 62, right: 22, top: 48, bottom: 36 };
const TOP = 34;

type Point = { readonly x: number; readonly measured: number | undefined; readonly predicted: number | undefined };
type Panel = {
  readonly title: string;
  readonly points: readonly Point[];
  readonly label: (value: number) => string;
};

export function renderScalingPlot(results: ScalingResults): string {
  const fits = fitAll(results.rows);
  const panels = [
    factorPanel('Samples per CPU second, by samples a request', 'samples', results.rows, fits),
    factorPanel('Samples per CPU second, by max_samples_per_send', 'batch', results.rows, fits),
    factorPanel('Samples per CPU second, by connections', 'connections', results.rows, fits),
    bytesPanel(results.rows, fits),
    latencyPanel(results.rows),
    sendersPanel(fits),
  ].filter(({ points }) => points.length > 1);
  const height = TOP + Math.ceil(panels.length / COLUMNS) * PANEL.height + 12;
  const label =
    'Samples per CPU second by request size, batch size, connections and bytes; by latency; batching simulated';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}">`,
    `<style>${STYLE} .measured { stroke: ${COLOURS[0]}; fill: ${COLOURS[0]}; } .predicted { stroke: ${COLOURS[1]}; fill: none; stroke-width: 2; stroke-dasharray: 5 4; }</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>`,
    `<circle class="measured" cx="26" cy="22" r="4"/>${text(38, 26, 'measured')}`,
    `<line class="predicted" x1="110" x2="140" y1="22" y2="22"/>${text(148, 26, 'by the fitted costs, or simulated')}`,
    ...panels.map((panel, index) =>
      drawPanel(panel, 10 + (index % COLUMNS) * PANEL.width, TOP + Math.floor(index / COLUMNS) * PANEL.height),
    ),
    '</svg>',
    '',
  ].join('\n');
}

function factorPanel(title: string, factor: Factor, rows: readonly MeasuredRow[], { costs }: Fits): Panel {
  const points = rows.flatMap((row): Point[] => {
    const x = row.places[factor];
    if (x === undefined) return [];
    const work = workOf(row);
    const predicted = isCut(row) ? undefined : work.samples / predictCpuSeconds(costs, work);
    return [{ x, measured: row.samplesPerCpuSecond, predicted }];
  });
  return { title, points, label: count };
}

function bytesPanel(rows: readonly MeasuredRow[], { bytes }: Fits): Panel {
  const points = rows
    .filter((row) => row.name === 'base' || !isOrdinary(row))
    .map((row): Point => {
      const work = workOf(row);
      const seconds = bytes === undefined ? undefined : predictByBytes(bytes, work);
      return {
        x: row.rawBytesPerSample,
        measured: row.samplesPerCpuSecond,
        predicted: seconds === undefined ? undefined : work.samples / seconds,
      };
    });
  return { title: 'Samples per CPU second, by bytes a sample before compression', points, label: count };
}

/** Little: what waits for the upstream cannot go faster than its open requests by the latency. */
function latencyPanel(rows: readonly MeasuredRow[]): Panel {
  const points = rows.flatMap((row): Point[] => {
    const x = row.places.latency;
    if (x === undefined || x === 0) return [];
    return [{ x, measured: row.samplesPerSecond, predicted: (row.connections * row.samplesPerRequest * 1000) / x }];
  });
  const most = Math.max(0, ...points.map(({ measured }) => measured ?? 0));
  return {
    title: 'Samples/s, by upstream latency in ms (dashed: Little)',
    points: points.map((point) => ({
      ...point,
      predicted: (point.predicted ?? 0) > 1.5 * most ? undefined : point.predicted,
    })),
    label: count,
  };
}

function sendersPanel({ costs }: Fits): Panel {
  const points = simulateSenders(costs).map(({ senders, joined }): Point => ({
    x: senders,
    measured: undefined,
    predicted: joined.addedMs.mean,
  }));
  return { title: 'Added latency in ms, mean, by servers of 20,000 series', points, label: (value) => fixed(value) };
}

function drawPanel({ title, points, label }: Panel, left: number, top: number): string {
  const sorted = points.toSorted((a, b) => a.x - b.x);
  const xs = sorted.map(({ x }) => Math.log(x));
  const values = sorted.flatMap(({ measured, predicted }) => [measured ?? 0, predicted ?? 0]);
  const end = niceEnd(Math.max(...values));
  const [first = 0, last = 1] = [xs[0], xs.at(-1)];
  const [x0, x1] = [left + PANEL.left, left + PANEL.width - PANEL.right];
  const [y0, y1] = [top + PANEL.height - PANEL.bottom, top + PANEL.top];
  const placeX = (x: number): number => x0 + ((Math.log(x) - first) / Math.max(1e-9, last - first)) * (x1 - x0);
  const placeY = (value: number): number => y0 + (value / end) * (y1 - y0);
  const path = sorted
    .flatMap(({ x, predicted }) => (predicted === undefined ? [] : [`${fixed(placeX(x))},${fixed(placeY(predicted))}`]))
    .join(' ');
  return [
    text(left + 10, top + 30, title, 'start', 'quiet'),
    ...[0, 0.5, 1].map(
      (share) =>
        `<line class="grid" x1="${fixed(x0)}" x2="${fixed(x1)}" y1="${fixed(placeY(share * end))}" y2="${fixed(placeY(share * end))}"/>` +
        text(x0 - 8, placeY(share * end) + 4, label(share * end), 'end', 'quiet'),
    ),
    ...ticksApart(
      sorted.map(({ x }) => x),
      placeX,
    ).map((x) => text(placeX(x), y0 + 18, count(x), 'middle', 'quiet')),
    `<polyline class="predicted" points="${path}"/>`,
    ...sorted.flatMap(({ x, measured }) =>
      measured === undefined
        ? []
        : [`<circle class="measured" cx="${fixed(placeX(x))}" cy="${fixed(placeY(measured))}" r="4"/>`],
    ),
  ].join('\n');
}

const LEAST_TICK_GAP = 34;

/** Returns the values whose labels do not touch. */
function ticksApart(values: readonly number[], place: (value: number) => number): readonly number[] {
  const kept: number[] = [];
  for (const value of values) {
    const before = kept.at(-1);
    if (before === undefined || place(value) - place(before) >= LEAST_TICK_GAP) kept.push(value);
  }
  return kept;
}

/** 1, 2, 3, 4, 5, 6 or 8 times a power of ten, not below `most`. */
function niceEnd(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1e-9, most)));
  return ([1, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= most) ?? 10) * power;
}
