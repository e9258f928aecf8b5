// @ts-check
/**
 * The status page: takes a history and then a snapshot a second from the proxy, and shows them. When the proxy falls
 * silent the page says so; what was last known is dimmed.
 */
import { Plots } from './plots.js';
import {
  fillFacts,
  fillLines,
  find,
  showAnswers,
  showIdentity,
  showLedger,
  showProblems,
  showSenders,
  write,
} from './tables.js';
import { brief, duration, milliseconds, whole } from './words.js';

/** @typedef {import('../../snapshot.ts').Snapshot} Snapshot */
/** @typedef {import('../../snapshot.ts').State} State */
/** @typedef {import('../../snapshot.ts').DestinationStatus} DestinationStatus */
/** @typedef {import('../../snapshot.ts').HistoryMessage} HistoryMessage */
/** @typedef {import('../../snapshot.ts').HistoryPoint} HistoryPoint */
/** @typedef {import('../history.ts').Column} Column */

/** Without a snapshot for as long, what is shown is old. */
const SILENT_AFTER_MS = 5_000;
/** When the proxy does not want another page, or has ended. */
const AGAIN_AFTER_MS = 10_000;

const plots = new Plots(find('#plots'));
const pause = find('#pause');
const destinationChoice = choice('#destination');
const rangeChoice = choice('#range');

/**
 * By destination.
 * @type {Map<string, Record<Column, (number | null)[]>>}
 */
const histories = new Map();
let capacity = 900;
/** @type {EventSource | undefined} */
let source;
/** @type {Snapshot | undefined} */
let latest;
let heardAtMs = performance.now();
let announcedKey = '';
let paused = false;

/**
 * @param {string} selector
 * @returns {HTMLSelectElement}
 */
function choice(selector) {
  const found = find(selector);
  if (!(found instanceof HTMLSelectElement)) throw new Error(`${selector} is not a select`);
  return found;
}

function connect() {
  source?.close();
  const opened = new EventSource('status/stream');
  source = opened;
  opened.addEventListener('history', ({ data }) => {
    /** @type {HistoryMessage} */
    const message = JSON.parse(data);
    ({ capacity } = message);
    histories.clear();
    for (const { name, columns } of message.destinations) histories.set(name, columns);
  });
  opened.addEventListener('status', ({ data }) => {
    /** @type {Snapshot} */
    const snapshot = JSON.parse(data);
    heardAtMs = performance.now();
    latest = snapshot;
    for (const { name, point } of snapshot.destinations) remember(name, point);
    if (!paused) show(snapshot);
  });
  opened.addEventListener('error', () => {
    // Otherwise the browser tries again by itself.
    if (opened.readyState === EventSource.CLOSED) setTimeout(reconnect, AGAIN_AFTER_MS, opened);
  });
}

/** @param {EventSource} closed */
function reconnect(closed) {
  if (source === closed && !document.hidden) connect();
}

/**
 * @param {string} name
 * @param {HistoryPoint} point
 */
function remember(name, point) {
  const columns = histories.get(name);
  if (columns === undefined || (point.at ?? 0) <= (columns.at.at(-1) ?? 0)) return;
  for (const column of columnsOf(point)) {
    columns[column].push(point[column]);
    if (columns[column].length > capacity) columns[column].shift();
  }
}

/**
 * @param {HistoryPoint} point
 * @returns {Column[]}
 */
function columnsOf(point) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys is typed for objects with more keys than are known
  return /** @type {Column[]} */ (Object.keys(point));
}

/** @param {Snapshot} snapshot */
function show(snapshot) {
  document.body.classList.remove('stale');
  tellConnection('live', 'live');
  showState(snapshot.state);
  const { running, wanted } = snapshot.workers;
  const workers = wanted === 1 ? '' : `, ${running === wanted ? '' : `${running} of `}${wanted} workers`;
  write(find('#about'), `${snapshot.version}, up ${duration(snapshot.atMs - snapshot.startedAtMs)}${workers}`);
  fillLines(find('#reasons'), snapshot.ready ? [] : snapshot.reasons.map((reason) => `Not ready: ${reason}`));
  const chosen = choose(snapshot.destinations);
  if (chosen !== undefined) {
    showNow(chosen);
    showAnswers(chosen);
    showIdentity(snapshot, chosen);
    const columns = histories.get(chosen.name);
    if (columns !== undefined) plots.show(columns, Number(rangeChoice.value));
  }
  showProblems(snapshot);
  showSenders(snapshot);
  showLedger(snapshot);
}

/** @param {State} state */
function showState({ level, key, sentence, remedy }) {
  const section = find('#state');
  if (section.dataset['level'] !== level) section.dataset['level'] = level;
  write(find('#sentence'), sentence);
  write(find('#remedy'), remedy);
  document.title = `${level === 'bad' || level === 'warn' ? '⚠ ' : ''}${sentence} – amp-write-proxy`;
  if (key === announcedKey) return;
  // Numbers change every second; only another kind of state is read aloud.
  announcedKey = key;
  write(find('#announcement'), `${sentence} ${remedy}`);
}

/**
 * @param {string} state
 * @param {string} text
 */
function tellConnection(state, text) {
  const connection = find('#connection');
  connection.dataset['state'] = state;
  write(connection, text);
}

/**
 * @param {readonly DestinationStatus[]} destinations
 * @returns {DestinationStatus | undefined}
 */
function choose(destinations) {
  const names = destinations.map(({ name }) => name);
  if (names.join('\n') !== [...destinationChoice.options].map(({ value }) => value).join('\n')) {
    destinationChoice.replaceChildren(...names.map((name) => new Option(name, name)));
    find('#which').hidden = names.length < 2;
  }
  return destinations.find(({ name }) => name === destinationChoice.value) ?? destinations[0];
}

/** @param {DestinationStatus} destination */
function showNow({ point, pending, maxShards, credentials, queueCapacity }) {
  const { received, delivered, p50Ms, p99Ms, parcelsPerBatch, shardsBusy, shards, queued } = point;
  fillFacts(find('#now'), [
    ['In', { text: `${brief(received)}/s`, told: 'samples received' }],
    ['Out', { text: `${brief(delivered)}/s`, told: 'samples delivered' }],
    ['Latency', { text: milliseconds(p50Ms), told: `p99 ${milliseconds(p99Ms)}` }],
    ['Joined', { text: brief(parcelsPerBatch), told: 'requests in a batch' }],
    ['Shards', { text: `${brief(shardsBusy)} of ${brief(shards)}`, told: `busy; at most ${whole(maxShards)}` }],
    ['Pending', { text: brief(pending), told: `queue ${brief(queued)} of ${brief(queueCapacity)}` }],
    [
      'Credentials',
      credentials.valid
        ? { text: 'valid', tone: 'ok', told: expiry(credentials.expiresAtMs) }
        : { text: 'none', tone: 'bad', told: 'see below' },
    ],
  ]);
}

/**
 * @param {number} expiresAtMs
 * @returns {string}
 */
function expiry(expiresAtMs) {
  return expiresAtMs === 0 ? 'without an end' : `${duration(expiresAtMs - (latest?.atMs ?? 0))} left`;
}

function watch() {
  if (paused || document.hidden) return;
  const silentMs = performance.now() - heardAtMs;
  if (silentMs < SILENT_AFTER_MS) return;
  document.body.classList.add('stale');
  tellConnection('lost', 'no connection');
  showState({
    level: 'bad',
    key: 'silent proxy',
    sentence: `No news from the proxy for ${duration(silentMs)}.`,
    remedy: 'It may have ended, or enough pages look at it already. This page tries again by itself.',
  });
}

pause.addEventListener('click', () => {
  paused = !paused;
  pause.setAttribute('aria-pressed', String(paused));
  write(pause, paused ? 'Continue' : 'Pause');
  if (paused) tellConnection('paused', 'paused');
  else if (latest !== undefined) show(latest);
});

for (const select of [destinationChoice, rangeChoice]) {
  select.addEventListener('change', () => {
    if (latest !== undefined) show(latest);
  });
}

find('#choices').addEventListener('submit', (event) => event.preventDefault());

// A page that nobody sees asks for nothing.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) source?.close();
  else {
    heardAtMs = performance.now();
    connect();
  }
});

connect();
setInterval(watch, 1_000);
