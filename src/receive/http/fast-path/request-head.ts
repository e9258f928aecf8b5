/**
 * The head of a remote write request as Prometheus, vmagent and the OpenTelemetry collector write it, and no other.
 *
 * Everything unusual is left to Node's HTTP server, which knows all of HTTP. So this file only has to be certain of the
 * requests that it accepts: one POST in HTTP/1.1, of one declared length, on a connection that stays open.
 * https://www.rfc-editor.org/rfc/rfc9112
 */
import { fieldValue, TEXT, TOKEN } from '../../../platform/header-field.ts';

export interface RequestHead {
  readonly path: string;
  readonly contentLength: number;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly authorization: string | undefined;
}

/** Request line, then header lines without folding, white space before the colon, bare CR, LF or other controls. */
const FORM = new RegExp(String.raw`^POST (/[\x21-\x7e]*) HTTP/1\.1(?:\r\n${TOKEN}:${TEXT})+$`);
const LENGTH = /^\d{1,10}$/;
/** Node's HTTP server ignores header lines after the first thousand. */
const MAX_LINES = 100;

/** @param text the head as Latin-1, without the empty line that ends it; undefined when it is not such a head */
export function tryParseHead(text: string): RequestHead | undefined {
  const path = FORM.exec(text)?.[1];
  if (path === undefined) return undefined;
  let lines = 0;
  let hosts = 0;
  let contentLength: string | undefined;
  let contentType: string | undefined;
  let contentEncoding: string | undefined;
  let authorization: string | undefined;
  let at = text.indexOf('\r\n') + 2;
  while (at < text.length) {
    lines += 1;
    if (lines > MAX_LINES) return undefined;
    let end = text.indexOf('\r\n', at);
    if (end === -1) end = text.length;
    const colon = text.indexOf(':', at);
    switch (text.slice(at, colon).toLowerCase()) {
      case 'host':
        hosts += 1;
        break;
      case 'content-length':
        if (contentLength !== undefined) return undefined;
        contentLength = fieldValue(text, colon + 1, end);
        break;
      case 'content-type':
        if (contentType !== undefined) return undefined;
        contentType = itself(fieldValue(text, colon + 1, end), 'application/x-protobuf');
        break;
      case 'content-encoding':
        if (contentEncoding !== undefined) return undefined;
        contentEncoding = itself(fieldValue(text, colon + 1, end), 'snappy');
        break;
      case 'authorization':
        if (authorization !== undefined) return undefined;
        authorization = fieldValue(text, colon + 1, end);
        break;
      case 'connection':
        if (fieldValue(text, colon + 1, end).toLowerCase() !== 'keep-alive') return undefined;
        break;
      case 'proxy-connection':
      case 'transfer-encoding':
      case 'trailer':
      case 'upgrade':
      case 'expect':
        return undefined;
      default:
    }
    at = end + 2;
  }
  if (hosts !== 1 || contentLength === undefined || !LENGTH.test(contentLength)) return undefined;
  return { path, contentLength: Number(contentLength), contentType, contentEncoding, authorization };
}

/** Returns the constant if the value is equal, since a substring would be compared byte by byte each time. */
function itself(value: string, constant: string): string {
  return value === constant ? constant : value;
}
