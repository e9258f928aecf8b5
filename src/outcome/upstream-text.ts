/**
 * Reads the body of an upstream's answer: the error that AWS names in it, the sentence that it says, and the part of
 * that sentence that the upstream wrote itself. Metric names and label values belong to the sender and may hold any
 * words, so they never decide anything.
 */

import { redact } from './redact.ts';

const LONGEST_SHOWN = 400;

export interface UpstreamText {
  /** AWS's error type without its namespace, such as `ThrottlingException`; undefined if none is named. */
  readonly errorType: string | undefined;
  /** The upstream's sentence, without its JSON envelope. */
  readonly said: string;
}

/** Fields of AWS's JSON envelopes that name the error: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html */
const TYPE_FIELDS: ReadonlySet<string> = new Set(['__type', 'code', 'Code', 'errorType']);
const TEXT_FIELDS: ReadonlySet<string> = new Set(['message', 'Message', 'error', 'errorMessage']);

/** @param errorType the `x-amzn-ErrorType` header, which takes precedence over the body */
export function readUpstreamText(body: string, errorType: string | undefined): UpstreamText {
  let named = errorType;
  let said: string | undefined;
  for (const [field, value] of topLevelStrings(body)) {
    if (TYPE_FIELDS.has(field)) named ??= value;
    else if (TEXT_FIELDS.has(field)) said ??= value;
  }
  return { errorType: named === undefined ? undefined : bareType(named), said: said ?? body };
}

/**
 * Returns what AWS says in an error, ready to be shown: without its JSON envelope, redacted, and cut before the canonical
 * request that follows a wrong signature.
 */
export function shownWords(text: string): string {
  return redact(readUpstreamText(text, undefined).said, LONGEST_SHOWN);
}

/** Turns `com.amazonaws.aps#ThrottlingException:http://...` into `ThrottlingException`. */
function bareType(named: string): string {
  const [bare = ''] = named.slice(named.lastIndexOf('#') + 1).split(':', 1);
  return bare.trim();
}

const FIELD = /\s*"((?:[^"\\]|\\.){0,64})"\s*:\s*/y;
/** A string; it may be cut off, since only the beginning of a body is kept. */
const STRING = /"((?:[^"\\]|\\.)*)(?:"|\\?$)/y;
const SCALAR = /[^\s",{}[\]]+/y;
const COMMA = /\s*,/y;

/** Yields the string fields of a JSON object, up to its first field that is neither a string nor a scalar. */
function* topLevelStrings(body: string): Generator<readonly [field: string, value: string]> {
  const start = /^\s*\{/.exec(body);
  if (start === null) return;
  let at = start[0].length;
  const next = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(body);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  for (;;) {
    const field = next(FIELD);
    if (field === null) return;
    const value = next(STRING);
    if (value !== null) yield [field[1] ?? '', unescaped(value[1] ?? '')];
    else if (next(SCALAR) === null) return;
    if (next(COMMA) === null) return;
  }
}

function unescaped(text: string): string {
  try {
    const value: unknown = JSON.parse(`"${text}"`);
    return typeof value === 'string' ? value : text;
  } catch {
    // The string may be cut off within an escape, or hold a raw line end.
    return text.replaceAll(/\\(["\\/])/g, '$1').replaceAll(String.raw`\n`, '\n');
  }
}

/**
 * The text before the first part that a sender chose: a quoted string, a label set, or what follows one of the words
 * that Cortex, Mimir and Prometheus put before a metric name. An apostrophe within a word does not count.
 */
const BEFORE_SENDERS_PART =
  /(?=["`{])|(?<![A-Za-z])(?=')|(?:series|metric|timestamp|labelset|label|labels|unit|value)(?:=|: )|\bfor (?:series|metric) |\bseries (?=\S*\{)/i;

/** Returns the upstream's own words, which stand before everything that a sender chose. */
export function ownWords(said: string): string {
  const found = BEFORE_SENDERS_PART.exec(said);
  return found === null ? said : said.slice(0, found.index + found[0].length);
}

/**
 * Detects a page or an XML document instead of a sentence: a load balancer, nginx, a TLS inspector. AMP answers plain
 * text or JSON.
 */
export function isMarkup(body: string): boolean {
  return /^\uFEFF?\s*<(?:!doctype|!--|\?xml|html|head|title|body|h1|center)/i.test(body);
}

/** Returns the title of a page, which says more than its mark-up. */
export function titleOf(page: string): string {
  return /<title>([^<]{1,200})/i.exec(page)?.[1] ?? page.replaceAll(/<[^>]{0,200}>/g, ' ');
}
