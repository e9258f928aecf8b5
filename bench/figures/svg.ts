// bench/throughput/throughput.svg: above, bars of samples per CPU second by request size and tool; below, the sender's latency from
// p50 to p99.9 on a logarithmic axis. It draws its own card, light or dark by the reader's preference, so that it stays
// legible on whatever page shows it.
import type { Figures, RowFigures } from './summary.ts';
import { DIRECT } from './summary.ts';
import { count } from './table.ts';

const WIDTH = 860;
const LEFT = 150;
const RIGHT = 70;
const LINE = 20;
const GROUP_GAP = 16;
const AXIS_WIDTH = WIDTH - LEFT - RIGHT;
export const COLOURS = ['#2f81f7', '#d4752c', '#8f6ad6', '#c94f7c', '#7d8590', '#3a9a5c'];

/** Light or dark by the reader's preference. */
export const STYLE = `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328; }
  .card { fill: #ffffff; stroke: #d1d9e0; }
  .title { font-size: 15px; font-weight: 600; }
  .quiet { fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .card { fill: #0d1117; stroke: #3d444d; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
  }
`;

/**
 * Plots the core rows; all rows when none of them is a core one.
 * @param floors tools that do less than the others, and would set the scale: in the tables only
 */
export function renderPlot(measured: readonly RowFigures[], floors: readonly string[] = []): string {
  const core = measured.filter(({ row }) => row.core);
  const rows = (core.length > 0 ? core : measured).map(({ row, tools }) => ({
    row,
    tools: tools.filter(({ tool }) => !floors.includes(tool)),
  }));
  const names = [...new Set(rows.flatMap(({ tools }) => tools.map(({ tool }) => tool)))].filter(
    (name) => name !== DIRECT,
  );
  const colourOf = (tool: string): string => COLOURS[names.indexOf(tool) % COLOURS.length] ?? '';

  const bars = panel(
    rows,
    64,
    'Samples per CPU second of the process (more is better)',
    efficiencyAxis(rows),
    (figures, y, x) => {
      const end = x(figures.samplesPerCpuSecond);
      return (
        `<rect x="${LEFT}" y="${y + 3}" width="${fixed(end - LEFT)}" height="${LINE - 6}" rx="2" fill="${colourOf(figures.tool)}"/>` +
        text(end + 6, y + 14, count(figures.samplesPerCpuSecond))
      );
    },
  );
  const latencies = panel(
    rows,
    bars.bottom + 44,
    "Sender's latency in ms: p50 to p99.9, the dot is p99 (less is better)",
    latencyAxis(rows),
    (figures, y, x) => {
      const middle = y + LINE / 2;
      const colour = colourOf(figures.tool);
      return (
        `<line x1="${fixed(x(figures.p50Ms))}" x2="${fixed(x(figures.p999Ms))}" y1="${middle}" y2="${middle}" stroke="${colour}" stroke-width="5" stroke-linecap="round" stroke-opacity="0.55"/>` +
        `<circle cx="${fixed(x(figures.p99Ms))}" cy="${middle}" r="5" fill="${colour}"/>` +
        text(
          x(figures.p999Ms) + 9,
          y + 14,
          `${short(figures.p50Ms)} / ${short(figures.p99Ms)} / ${short(figures.p999Ms)}`,
        )
      );
    },
  );
  const height = latencies.bottom + 24;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Samples per CPU second and latency by tool and request size">`,
    `<style>${STYLE}</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>`,
    legend(names, colourOf),
    bars.svg,
    latencies.svg,
    '</svg>',
    '',
  ].join('\n');
}

type Axis = { readonly place: (value: number) => number; readonly ticks: readonly { value: number; label: string }[] };
type Mark = (figures: Figures, y: number, x: (value: number) => number) => string;

function panel(
  rows: readonly RowFigures[],
  top: number,
  title: string,
  axis: Axis,
  mark: Mark,
): { svg: string; bottom: number } {
  const x = (value: number): number => LEFT + AXIS_WIDTH * Math.min(1, Math.max(0, axis.place(value)));
  const parts: string[] = [];
  let y = top + 22;
  for (const { row, tools } of rows) {
    const shown = tools.filter(
      ({ tool, samplesPerCpuSecond }) => tool !== DIRECT && Number.isFinite(samplesPerCpuSecond),
    );
    parts.push(
      text(LEFT - 12, y + (shown.length * LINE) / 2 + 4, row.core ? `${row.name} a request` : row.name, 'end'),
    );
    for (const figures of shown) {
      parts.push(mark(figures, y, x));
      y += LINE;
    }
    y += GROUP_GAP;
  }
  const bottom = y - GROUP_GAP + 6;
  const grid = axis.ticks.map(
    ({ value, label }) =>
      `<line class="grid" x1="${fixed(x(value))}" x2="${fixed(x(value))}" y1="${top + 16}" y2="${bottom}"/>` +
      text(x(value), bottom + 15, label, 'middle', 'quiet'),
  );
  return { svg: [text(20, top, title, 'start', 'title'), ...grid, ...parts].join('\n'), bottom: bottom + 18 };
}

function efficiencyAxis(rows: readonly RowFigures[]): Axis {
  const values = rows.flatMap(({ tools }) => tools.map((entry) => entry.samplesPerCpuSecond)).filter(Number.isFinite);
  const most = Math.max(1, ...values);
  const step =
    [1, 2, 5, 10].map((factor) => factor * 10 ** Math.floor(Math.log10(most / 2))).find((size) => most / size <= 6) ??
    most;
  const end = Math.ceil(most / step) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, index) => ({
    value: index * step,
    label: count(index * step),
  }));
  return { place: (value) => value / end, ticks };
}

function latencyAxis(rows: readonly RowFigures[]): Axis {
  const values = rows.flatMap(({ tools }) =>
    tools.filter(({ tool }) => tool !== DIRECT).flatMap(({ p50Ms, p999Ms }) => [p50Ms, p999Ms]),
  );
  const finite = values.filter((value) => Number.isFinite(value) && value > 0);
  const low = Math.floor(Math.log10(Math.min(1, ...finite)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(1, ...finite)) + 0.15));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => ({
    value: 10 ** (low + index),
    label: short(10 ** (low + index)),
  }));
  return { place: (value) => (Math.log10(value) - low) / (high - low), ticks };
}

function legend(names: readonly string[], colourOf: (tool: string) => string): string {
  let x = 20;
  const entries = names.map((name) => {
    const entry = `<rect x="${x}" y="20" width="12" height="12" rx="2" fill="${colourOf(name)}"/>${text(x + 18, 30, name)}`;
    x += 42 + name.length * 7;
    return entry;
  });
  return entries.join('\n');
}

export function text(x: number, y: number, content: string, anchor = 'start', className = ''): string {
  const kind = className === '' ? '' : ` class="${className}"`;
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}"${kind}>${escaped}</text>`;
}

export function fixed(value: number): string {
  return Number(value.toFixed(1)).toString();
}

/** Milliseconds in three digits or so. */
function short(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : Number(ms.toPrecision(2)).toString();
}
