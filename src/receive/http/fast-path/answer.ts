/** The answers of the fast path, as Node's HTTP server would write them. */
import { STATUS_CODES } from 'node:http';

type Headers = Readonly<Record<string, string | number>>;

/** Returns the header lines about the connection: how long it stays open, or that it is closed. */
export function connectionLines(keepAliveMs: number | undefined): string {
  if (keepAliveMs === undefined) return 'Connection: close';
  return `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1000)}`;
}

let noContentAnswer = '';
let noContentConnection = '';
let noContentSecond = 0;

/** The answer to nearly every request, rebuilt when the second changes. */
export function noContent(connection: string): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== noContentSecond || connection !== noContentConnection) {
    noContentSecond = second;
    noContentConnection = connection;
    noContentAnswer = `HTTP/1.1 204 No Content\r\nDate: ${date()}\r\n${connection}\r\n\r\n`;
  }
  return noContentAnswer;
}

/** @param text ends with a line feed in the answer */
export function textAnswer(status: number, text: string, headers: Headers, connection: string): string {
  const body = `${text}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Date: ${date()}`,
    connection,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

export function timeoutAnswer(): string {
  return `HTTP/1.1 408 Request Timeout\r\nDate: ${date()}\r\n${connectionLines(undefined)}\r\n\r\n`;
}

function date(): string {
  return new Date().toUTCString();
}
