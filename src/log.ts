/** The proxy's own log: pino on standard output, JSON or text. Nothing secret is ever passed to it. */
import { pino, type Logger } from 'pino';
import type { LogConfig } from './config/schema.ts';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** The same log with these fields on every line. */
  child(fields: object): Log;
}

export function makeLog(config: LogConfig): Logger {
  const options = { level: config.level, base: null, formatters: { level: (label: string) => ({ level: label }) } };
  if (config.format === 'json') return pino({ ...options, timestamp: () => `,"time":"${new Date().toISOString()}"` });
  return pino(options, { write: (line: string) => process.stdout.write(asText(line)) });
}

/** `12:00:00.000 INFO  listening  address=... `, from one JSON line. */
function asText(line: string): string {
  const { level, time, msg, ...fields }: Record<string, unknown> = JSON.parse(line);
  const rest = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const at = new Date(Number(time)).toISOString().slice(11, 23);
  return `${[at, String(level).toUpperCase().padEnd(5), String(msg), ...rest].join(' ')}\n`;
}
