// @ts-check
/** Plots of the last minutes, by uPlot. Each is a figure with its numbers in words, for those who do not see it too. */
import { brief, duration, milliseconds } from './words.js';

/** @typedef {import('../../snapshot.ts').HistoryColumns} HistoryColumns */
/** @typedef {import('../history.ts').Column} Column */
/** @typedef {{ column: Column, label: string, color: string, filled?: boolean, stepped?: boolean }} Line */
/** @typedef {{ title: string, unit: (value: number | null) => string, lines: readonly Line[] }} PlotShape */

/** @type {readonly PlotShape[]} */
const SHAPES = [
  {
    title: 'Samples a second',
    unit: brief,
    lines: [
      { column: 'received', label: 'in', color: 'blue', filled: true },
      { column: 'delivered', label: 'out', color: 'green' },
    ],
  },
  {
    title: 'Delivery latency',
    unit: milliseconds,
    lines: [
      { column: 'p99Ms', label: 'p99', color: 'violet' },
      { column: 'p50Ms', label: 'p50', color: 'blue', filled: true },
    ],
  },
  {
    title: 'Answers of AMP a second',
    unit: brief,
    lines: [
      { column: 'answersTaken', label: 'taken', color: 'green', filled: true },
      { column: 'answersThrottled', label: 'throttled', color: 'amber' },
      { column: 'answersRefused', label: '4xx', color: 'violet' },
      { column: 'answersFailed', label: 'failed', color: 'red' },
    ],
  },
  {
    title: 'Requests joined into a batch',
    unit: brief,
    lines: [{ column: 'parcelsPerBatch', label: 'parcels per batch', color: 'blue', filled: true }],
  },
  {
    title: 'Shards',
    unit: brief,
    lines: [
      { column: 'shards', label: 'allowed', color: 'amber', stepped: true },
      { column: 'shardsBusy', label: 'busy', color: 'blue', filled: true, stepped: true },
    ],
  },
  {
    title: 'Samples waiting',
    unit: brief,
    lines: [
      { column: 'pending', label: 'for an answer', color: 'violet' },
      { column: 'queued', label: 'for a batch', color: 'blue', filled: true },
    ],
  },
];

const HEIGHT = 150;
const SHORTEST_SECONDS = 60;
/** So that a screen reader is not told of every second. */
const DESCRIBE_EVERY_MS = 10_000;
const FONT = '12px system-ui, sans-serif';

export class Plots {
  /** @type {Plot[]} */
  #plots;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.#plots = SHAPES.map((shape) => new Plot(shape, parent));
    // Colours are drawn, so that they have to be drawn again.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      for (const plot of this.#plots) plot.restyle();
    });
  }

  /**
   * @param {HistoryColumns} columns
   * @param {number} rangeSeconds
   */
  show(columns, rangeSeconds) {
    for (const plot of this.#plots) plot.show(columns, rangeSeconds);
  }
}

class Plot {
  #shape;
  #figure = document.createElement('figure');
  #canvas = document.createElement('div');
  /** @type {HTMLElement[]} */
  #values = [];
  /** @type {uPlot} */
  #plot;
  #describedAtMs = -Infinity;
  #range = { min: 0, max: 1 };

  /**
   * @param {PlotShape} shape
   * @param {HTMLElement} parent
   */
  constructor(shape, parent) {
    this.#shape = shape;
    const caption = document.createElement('figcaption');
    const title = document.createElement('strong');
    title.textContent = shape.title;
    caption.append(title);
    for (const { label, color } of shape.lines) {
      const entry = document.createElement('span');
      entry.className = color;
      const value = document.createElement('b');
      entry.append(`${label} `, value);
      caption.append(entry);
      this.#values.push(value);
    }
    this.#canvas.setAttribute('role', 'img');
    this.#figure.append(caption, this.#canvas);
    parent.append(this.#figure);
    this.#plot = this.#make([[], ...shape.lines.map(() => [])]);
    new ResizeObserver(() => this.#plot.setSize({ width: this.#canvas.clientWidth, height: HEIGHT })).observe(
      this.#canvas,
    );
  }

  restyle() {
    const { data } = this.#plot;
    this.#plot.destroy();
    this.#plot = this.#make(data);
  }

  /**
   * @param {HistoryColumns} columns
   * @param {number} rangeSeconds
   */
  show(columns, rangeSeconds) {
    const times = columns.at.map(Number);
    const end = times.at(-1) ?? Date.now() / 1000;
    const first = Math.max(
      0,
      times.findIndex((at) => at >= end - rangeSeconds),
    );
    // Of a proxy that has just started, what there is; a minute at least.
    const start = Math.min(times[0] ?? end, end - SHORTEST_SECONDS);
    this.#range = { min: Math.max(end - rangeSeconds, start), max: end };
    const lines = this.#shape.lines.map(({ column }) => columns[column].slice(first));
    this.#plot.setData([times.slice(first), ...lines]);
    this.#tellValues();
    if (performance.now() - this.#describedAtMs > DESCRIBE_EVERY_MS) this.#describe(rangeSeconds);
  }

  /** What is under the cursor, or else the latest. */
  #tellValues() {
    const { data, cursor } = this.#plot;
    for (const [index, value] of this.#values.entries()) {
      const points = data[index + 1] ?? [];
      const text = this.#shape.unit(points[cursor.idx ?? points.length - 1] ?? null);
      if (value.textContent !== text) value.textContent = text;
    }
  }

  /** @param {number} rangeSeconds */
  #describe(rangeSeconds) {
    this.#describedAtMs = performance.now();
    const { title, unit, lines } = this.#shape;
    const parts = lines.map(({ label }, index) => {
      const points = [...(this.#plot.data[index + 1] ?? [])].filter((point) => typeof point === 'number');
      if (points.length === 0) return `${label}: nothing yet`;
      return `${label}: ${unit(points.at(-1) ?? null)} now, ${unit(Math.min(...points))} to ${unit(Math.max(...points))}`;
    });
    this.#canvas.setAttribute(
      'aria-label',
      `${title}, the last ${duration(rangeSeconds * 1000)}. ${parts.join('; ')}.`,
    );
  }

  /**
   * @param {uPlot.AlignedData} data
   * @returns {uPlot}
   */
  #make(data) {
    const style = getComputedStyle(document.documentElement);
    /** @type {(name: string) => string} */
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: color('muted'),
      font: FONT,
      ticks: { show: false },
      grid: { stroke: color('line'), width: 1 },
    };
    return new uPlot(
      {
        width: Math.max(200, this.#canvas.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        padding: [8, 26, 0, 0],
        cursor: {
          y: false,
          drag: { setScale: false, x: false, y: false },
          points: { size: 6 },
          sync: { key: 'status' },
        },
        scales: {
          x: { range: () => [this.#range.min, this.#range.max] },
          y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 1) * 1.1)] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            space: (_plot, _axis, min, max) => (max - min > 150 ? 45 : 70),
            values: (_plot, splits, _axis, _space, step) => splits.map((at) => clock(at, step)),
            size: 26,
          },
          { ...axis, size: 54, space: 34, values: (_plot, values) => values.map((value) => this.#shape.unit(value)) },
        ],
        series: [
          {},
          ...this.#shape.lines.map(({ label, color: name, filled = false, stepped = false }) => ({
            label,
            stroke: color(name),
            width: 2,
            points: { show: false },
            ...(filled ? { fill: `${color(name)}26` } : {}),
            ...(stepped && uPlot.paths.stepped !== undefined ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
          })),
        ],
        hooks: { setCursor: [() => this.#tellValues()] },
      },
      data,
      this.#canvas,
    );
  }
}

/**
 * @param {number} at seconds since the epoch
 * @param {number} step seconds between two of them
 * @returns {string}
 */
function clock(at, step) {
  const text = new Date(at * 1000).toTimeString();
  return text.slice(0, step < 60 ? 8 : 5);
}
