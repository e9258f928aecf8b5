/**
 * Decides which requests are accepted: those of remote write 1.0, by the head alone, before a byte of the body is read.
 */
import { RequestError } from '../outcome/errors.ts';

const SUPPORTED =
  'supported is Prometheus remote write 1.0: Content-Type: application/x-protobuf, Content-Encoding: snappy';

/** Throws UNSUPPORTED_ENCODING unless the head is that of remote write 1.0. */
export function assertRemoteWrite1(type: string | undefined, encoding: string | undefined): void {
  if (type !== 'application/x-protobuf') assertContentType(type);
  if (encoding !== 'snappy' && encoding?.trim().toLowerCase() !== 'snappy') {
    throw new RequestError(
      'UNSUPPORTED_ENCODING',
      `Content-Encoding ${quoted(encoding)} is not accepted; ${SUPPORTED}`,
    );
  }
}

/** Parameters may follow; `proto=` other than prometheus.WriteRequest is remote write 2.0. */
function assertContentType(value: string | undefined): void {
  const [type = '', ...parameters] = (value ?? '').split(';').map((part) => part.trim());
  const proto = parameters.find((parameter) => parameter.toLowerCase().startsWith('proto='));
  if (type.toLowerCase() !== 'application/x-protobuf') {
    throw new RequestError('UNSUPPORTED_ENCODING', `Content-Type ${quoted(value)} is not accepted; ${SUPPORTED}`);
  }
  if (proto !== undefined && proto.slice('proto='.length).replaceAll('"', '') !== 'prometheus.WriteRequest') {
    const remedy = 'set protobuf_message: prometheus.WriteRequest in the remote_write section of the sender';
    throw new RequestError(
      'UNSUPPORTED_ENCODING',
      `remote write 2.0 (${quoted(value)}) is not accepted; ${SUPPORTED}; ${remedy}`,
    );
  }
}

/** Quotes a sender's value, short enough to read and without control characters. */
function quoted(value: string | undefined): string {
  if (value === undefined) return '(none)';
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}...` : value);
}
