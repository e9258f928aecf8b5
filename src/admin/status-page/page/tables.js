// @ts-check
/**
 * Lists and tables. Everything is written as text, never as markup, and only what has changed is written, so that a
 * selection survives and nothing flickers.
 */
import { ago, brief, bytes, duration, whole } from './words.js';

/** @typedef {import('../../snapshot.ts').Snapshot} Snapshot */
/** @typedef {import('../../snapshot.ts').DestinationStatus} DestinationStatus */
/** @typedef {{ text: string, tone?: string, told?: string, className?: string, header?: 'row' | 'col' }} Cell */

/**
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function find(selector) {
  const found = document.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`there is no ${selector} in the page`);
  return found;
}

/**
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string} value
 */
function mark(element, name, value) {
  if ((element.dataset[name] ?? '') === value) return;
  if (value === '') delete element.dataset[name];
  else element.dataset[name] = value;
}

/**
 * As many children as there are items, made by `make`; each told by `tell`.
 * @template Item
 * @param {HTMLElement} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => HTMLElement} make
 * @param {(element: HTMLElement, item: Item) => void} tell
 */
function fill(parent, items, make, tell) {
  while (parent.children.length > items.length) parent.lastElementChild?.remove();
  for (const [index, item] of items.entries()) {
    let element = parent.children[index];
    if (!(element instanceof HTMLElement)) parent.append((element = make(item)));
    if (element instanceof HTMLElement) tell(element, item);
  }
}

/**
 * @param {HTMLElement} body
 * @param {readonly (readonly Cell[])[]} rows
 */
function fillRows(body, rows) {
  fill(
    body,
    rows,
    () => document.createElement('tr'),
    (row, cells) => fill(row, cells, makeCell, tellCell),
  );
}

/**
 * @param {Cell} cell
 * @returns {HTMLElement}
 */
function makeCell({ header, className = '' }) {
  const element = document.createElement(header === undefined ? 'td' : 'th');
  if (header !== undefined) element.setAttribute('scope', header);
  element.className = className;
  const told = document.createElement('span');
  told.className = 'told';
  element.append(document.createElement('span'), told);
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {Cell} cell
 */
function tellCell(element, { text, tone = '', told = '' }) {
  const [first, second] = element.children;
  if (!(first instanceof HTMLElement) || second === undefined) return;
  write(first, text);
  mark(first, 'tone', tone);
  write(second, told);
}

/**
 * Terms with what is said of them.
 * @param {HTMLElement} list a dl
 * @param {readonly (readonly [term: string, Cell])[]} facts
 */
export function fillFacts(list, facts) {
  fill(
    list,
    facts,
    () => {
      const group = document.createElement('div');
      const description = document.createElement('dd');
      const told = document.createElement('span');
      told.className = 'told detail';
      description.append(document.createElement('span'), told);
      group.append(document.createElement('dt'), description);
      return group;
    },
    (group, [term, cell]) => {
      const [title, description] = group.children;
      if (title === undefined || !(description instanceof HTMLElement)) return;
      write(title, term);
      tellCell(description, cell);
    },
  );
}

/**
 * @param {HTMLElement} list
 * @param {readonly string[]} lines
 */
export function fillLines(list, lines) {
  fill(list, lines, () => document.createElement('li'), write);
  list.hidden = lines.length === 0;
}

/** @param {Snapshot} snapshot */
export function showSenders({ senders, atMs }) {
  const { connected, rows, more } = senders;
  const are = connected === 1 ? 'One address is connected' : `${whole(connected)} addresses are connected`;
  write(find('#senders-caption'), `${are}${more > 0 ? `; ${whole(more)} more are not shown` : ''}. The busiest first.`);
  fillRows(
    find('#senders tbody'),
    rows.map((row) => [
      { text: row.address, header: 'row', told: row.isolated ? 'isolated: its requests are batched separately' : '' },
      { text: brief(row.samplesPerSecond), className: 'number' },
      { text: brief(row.requestsPerSecond), className: 'number' },
      { text: row.connections === 0 ? 'gone' : whole(row.connections), className: 'number wide' },
      { text: ago(row.lastRequestAtMs, atMs), className: 'wide' },
      {
        text: row.lastStatus === 0 ? 'waiting' : String(row.lastStatus),
        tone: toneOf(row.lastStatus),
        told: row.lastRefusal,
      },
    ]),
  );
}

/**
 * @param {number} status
 * @returns {string}
 */
function toneOf(status) {
  if (status === 0) return '';
  if (status < 300) return 'ok';
  return status === 429 || status === 503 ? 'warn' : 'bad';
}

/** @param {Snapshot} snapshot */
export function showLedger({ destinations }) {
  /** @type {(title: string, read: (one: DestinationStatus) => Cell) => Cell[]} */
  const row = (title, read) => [
    { text: title, header: 'row' },
    ...destinations.map((one) => ({ className: 'number', ...read(one) })),
  ];
  fillRows(find('#ledger thead'), [
    [{ text: 'Samples', header: 'col' }, ...destinations.map(({ name }) => headOf(name))],
  ]);
  fillRows(find('#ledger tbody'), [
    row('Delivered', ({ delivered, deduplicated }) => ({
      text: whole(delivered),
      told: deduplicated > 0 ? `${whole(deduplicated)} by another replica` : '',
    })),
    row('Rejected by AMP', ({ rejected }) => ({
      text: whole(total(rejected)),
      tone: total(rejected) > 0 ? 'bad' : '',
      told: rejected.map(({ code, count }) => `${code.replaceAll('_', ' ')}: ${whole(count)}`).join(', '),
    })),
    row('Refused, to be sent again', ({ refused }) => ({
      text: whole(total(refused)),
      tone: total(refused) > 0 ? 'warn' : '',
      told: refused.map(({ code, count }) => `${code.replaceAll('_', ' ')}: ${whole(count)}`).join(', '),
    })),
    row('Pending', ({ pending }) => ({ text: whole(pending) })),
    row('Received', ({ received }) => ({ text: whole(received) })),
  ]);
  find('#ledger tbody tr:last-child').className = 'sum';
}

/**
 * @param {string} name
 * @returns {Cell}
 */
function headOf(name) {
  return { text: name, header: 'col', className: 'number' };
}

/**
 * @param {readonly { count: number }[]} counts
 * @returns {number}
 */
function total(counts) {
  return counts.reduce((sum, { count }) => sum + count, 0);
}

/** @param {DestinationStatus} destination */
export function showAnswers({ answers }) {
  fillRows(
    find('#answers tbody'),
    answers.map(({ code, words, count }) => [
      { text: code.replaceAll('_', ' '), header: 'row', tone: toneOf(Number(code)) },
      { text: words },
      { text: whole(count), className: 'number' },
    ]),
  );
}

/** @param {Snapshot} snapshot */
export function showProblems({ problems, atMs, destinations }) {
  find('#no-problems').hidden = problems.length > 0;
  fill(
    find('#problems'),
    problems,
    () => {
      const item = document.createElement('li');
      for (const name of ['what', 'when', 'said', 'remedy']) {
        const line = document.createElement('p');
        line.className = name;
        item.append(line);
      }
      return item;
    },
    (item, { destination, what, said, remedy, sender, count, firstAtMs, lastAtMs }) => {
      const where = destinations.length > 1 && destination !== '' ? `${destination}: ` : '';
      const times =
        count === 1 ? 'once' : `${whole(count)} times within ${duration(Math.max(1_000, lastAtMs - firstAtMs))}`;
      const lines = [
        `${where}${what}${sender === '' ? '' : `, for ${sender}`}`,
        `${ago(lastAtMs, atMs)}, ${times}`,
        said,
        remedy,
      ];
      for (const [index, line] of [...item.children].entries()) write(line, lines[index] ?? '');
    },
  );
}

/**
 * @param {Snapshot} snapshot
 * @param {DestinationStatus} destination
 */
export function showIdentity(
  { atMs, inflightBytes, maxInflightBytes },
  { credentials, clockSkewMs, url, sendersIsolated },
) {
  const { valid, expiresAtMs, lastError, refreshes, failures } = credentials;
  const until = expiresAtMs === 0 ? 'they do not expire' : `for ${duration(expiresAtMs - atMs)} more`;
  const skew =
    clockSkewMs === 0
      ? 'agrees with AMP’s'
      : `${duration(Math.abs(clockSkewMs))} ${clockSkewMs > 0 ? 'behind' : 'ahead of'} AMP’s; corrected`;
  fillFacts(find('#identity'), [
    ['Writes to', { text: url }],
    ['Credentials', { text: valid ? `valid, ${until}` : 'none', tone: valid ? 'ok' : 'bad', told: lastError }],
    [
      'Refreshes',
      { text: `${whole(refreshes)} made, ${whole(failures)} failed`, tone: failures > 0 && !valid ? 'bad' : '' },
    ],
    ['Clock', { text: skew, tone: clockSkewMs === 0 ? '' : 'warn' }],
    ['Bodies held', { text: `${bytes(inflightBytes)} of ${bytes(maxInflightBytes)}` }],
    [
      'Isolated',
      { text: sendersIsolated === 0 ? 'no sender' : `${whole(sendersIsolated)} whose requests lately failed` },
    ],
  ]);
}
