// @ts-check
/** Numbers and times as people read them. */

const NONE = '–';

/**
 * `842`, `12.3k`, `4.56M`.
 * @param {number | null} value
 * @returns {string}
 */
export function brief(value) {
  if (value === null || !Number.isFinite(value)) return NONE;
  for (const [size, letter] of /** @type {const} */ ([
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ])) {
    if (value >= size * 0.9995) return `${Number((value / size).toPrecision(3))}${letter}`;
  }
  return String(Number(value.toPrecision(value >= 10 ? 3 : 2)));
}

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/**
 * `1,234,567`.
 * @param {number} value
 * @returns {string}
 */
export function whole(value) {
  return WHOLE.format(value);
}

/**
 * `3.2 ms`, `1.25 s`.
 * @param {number | null} value milliseconds
 * @returns {string}
 */
export function milliseconds(value) {
  if (value === null || !Number.isFinite(value)) return NONE;
  return value < 1000 ? `${Number(value.toPrecision(2))} ms` : `${Number((value / 1000).toPrecision(3))} s`;
}

/**
 * `12 s`, `5 min`, `3 h 20 min`, `4 d 2 h`.
 * @param {number} value milliseconds
 * @returns {string}
 */
export function duration(value) {
  const seconds = Math.max(0, Math.round(value / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * @param {number} atMs
 * @param {number} nowMs
 * @returns {string}
 */
export function ago(atMs, nowMs) {
  if (atMs === 0) return 'never';
  return nowMs - atMs < 2_000 ? 'now' : `${duration(nowMs - atMs)} ago`;
}

/**
 * @param {number} value
 * @returns {string}
 */
export function bytes(value) {
  if (value < 1024) return `${value} B`;
  return value < 1024 ** 2 ? `${Math.round(value / 1024)} KiB` : `${Number((value / 1024 ** 2).toPrecision(3))} MiB`;
}
