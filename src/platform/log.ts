/** The proxy's own log: pino on standard output, JSON or text. Nothing secret is ever passed to it. */
import { pino, type Logger } from 'pino';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Returns the same log with these fields added to every line. */
  child(fields: object): Log;
}

export interface LogOptions {
  /** The least severe level that is written. */
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'text';
}

export function makeLog(config: LogOptions): Logger {
  const options = { level: config.level, base: null, formatters: { level: (label: string) => ({ level: label }) } };
  if (config.format === 'json') {
    const out = pino.destination({ dest: 1, sync: true });
    return pino(
      { ...options, timestamp: timeField },
      { write: (line: string) => void out.write(escaped(line, LINE_END)) },
    );
  }
  return pino(options, { write: (line: string) => process.stdout.write(asText(line)) });
}

function timeField(): string {
  return `,"time":"${new Date().toISOString()}"`;
}

/** Formats one JSON line as `12:00:00.000 INFO  listening  address=... `. */
function asText(line: string): string {
  const { level, time, msg, ...fields }: Record<string, unknown> = JSON.parse(line);
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${valueText(value)}`);
  const at = new Date(Number(time)).toISOString().slice(11, 23);
  return `${escaped([at, String(level).toUpperCase().padEnd(5), String(msg), ...rest].join(' '))}\n`;
}

/** Values are quoted if a reader could take them for several fields. */
function valueText(value: unknown): string {
  return typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value);
}

/** Characters that end a line, move a terminal's cursor, change the writing direction or are invisible. */
const UNSEEN = /[\p{C}\u2028\u2029]/gu;
const LINE_END = '\n';

/**
 * Escapes such characters, so that a text from outside forges no line and hides nothing in one. JSON stays equivalent,
 * since these characters occur only within its strings.
 *
 * @param kept the one such character that stays
 */
function escaped(text: string, kept?: string): string {
  return text.replaceAll(UNSEEN, (character) => (character === kept ? character : escapeOf(character)));
}

function escapeOf(character: string): string {
  if (character === '\n') return String.raw`\n`;
  if (character === '\r') return String.raw`\r`;
  if (character === '\t') return String.raw`\t`;
  return Array.from({ length: character.length }, (_, at) => {
    return String.raw`\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }).join('');
}
