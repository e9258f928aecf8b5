/** Cortex's checks of a label set, in its order and its words (pkg/util/validation/validate.go and errors.go). */
import type { Label } from './write-request.ts';

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/u;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/u;
/** Cortex shows at most this much of a name or a series. */
const MAX_SHOWN_CHARS = 200;

/** Returns the fault of a label set in Cortex's words, or undefined. */
export function findInvalidLabel(labels: readonly Label[], refuseUnsorted: boolean): string | undefined {
  const metricName = labels.find(({ name }) => name === '__name__')?.value;
  if (metricName === undefined) return 'sample missing metric name';
  if (!METRIC_NAME.test(metricName)) return `sample invalid metric name: ${quote(metricName)}`;
  const ordered = refuseUnsorted ? labels : sortLabels(labels);
  let previous = '';
  for (const { name } of ordered) {
    if (!LABEL_NAME.test(name)) return `sample invalid label: ${quote(name)} metric ${quote(describe(labels))}`;
    const order = compareNames(previous, name);
    if (order === 0) return `duplicate label name: ${quote(name)} metric ${quote(describe(labels))}`;
    if (order > 0) return `labels not sorted: ${quote(name)} metric ${quote(describe(labels))}`;
    previous = name;
  }
  return undefined;
}

/** Returns the labels in the order of their names; the same array if they are in order already. */
export function sortLabels(labels: readonly Label[]): readonly Label[] {
  const isSorted = labels.every(
    ({ name }, index) => index === 0 || compareNames(labels[index - 1]?.name ?? '', name) <= 0,
  );
  return isSorted ? labels : labels.toSorted((a, b) => compareNames(a.name, b.name));
}

/** Valid names are ASCII, where the order of UTF-16 units is the order of bytes. */
function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN_CHARS));
}

/** `up{job="x"}`: the first metric name outside the braces, all other labels in their order. */
function describe(labels: readonly Label[]): string {
  const nameIndex = labels.findIndex(({ name, value }) => name === '__name__' && value !== '');
  const others = labels
    .filter((_, index) => index !== nameIndex)
    .map(({ name, value }) => `${name}=${JSON.stringify(value)}`);
  const metricName = labels[nameIndex]?.value ?? '';
  return others.length === 0 && metricName !== '' ? metricName : `${metricName}{${others.join(', ')}}`;
}
