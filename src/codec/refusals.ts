/** The reasons why a body is invalid, in words that its sender reads. */
import { formatSize } from '../config/sizes.ts';
import { RequestError, type RequestErrorCode } from '../outcome/errors.ts';
import * as faults from './kernel/faults.ts';

/** Maps a fault number of the kernel (kernel/faults.ts) to the phrase before "at byte N". */
const TEXTS: Readonly<Record<number, string>> = {
  [faults.LITERAL_PAST_INPUT]: 'a literal that runs past the end of the body',
  [faults.LITERAL_PAST_OUTPUT]: 'a literal that exceeds the declared length',
  [faults.COPY_PAST_INPUT]: 'a copy that runs past the end of the body',
  [faults.COPY_PAST_OUTPUT]: 'a copy that exceeds the declared length',
  [faults.COPY_BEFORE_START]: 'a copy from an offset of 0 or from before the start',
  [faults.OUTPUT_SHORT]: 'an end before the declared length is reached',
  [faults.VARINT_CUT]: 'a varint that is cut off',
  [faults.VARINT_TOO_LONG]: 'a varint of more than 10 bytes',
  [faults.TAG_TOO_LARGE]: 'a field number over 2^29 - 1',
  [faults.FIELD_NUMBER_ZERO]: 'a field number of 0',
  [faults.LENGTH_PAST_END]: 'a length that runs past the end of its message',
  [faults.FIXED_PAST_END]: 'a fixed-size value that runs past the end of its message',
  [faults.WRONG_WIRE_TYPE]: 'a known field with the wrong wire type',
  [faults.UNKNOWN_WIRE_TYPE]: 'a wire type that does not exist',
  [faults.GROUP_END_UNMATCHED]: 'an end of a group that is not open',
  [faults.GROUP_NOT_CLOSED]: 'a group that is not closed',
  [faults.GROUPS_TOO_DEEP]: 'groups nested more than 100 deep',
  [faults.PACKED_NOT_WHOLE]: 'packed doubles that are not a multiple of 8 bytes',
  [faults.SERIES_WITHOUT_LABELS]: 'a TimeSeries without labels',
};

function faultText(fault: number): string {
  return TEXTS[fault] ?? `fault ${fault}`;
}

/** @param at offset in the compressed body */
export function snappyFault(fault: number, at: number): RequestError {
  return notSnappy(`${faultText(fault)} at byte ${at} of the compressed body`);
}

export function notSnappy(what: string): RequestError {
  return new RequestError('BODY_NOT_SNAPPY', `body is not one snappy block: ${what}`);
}

/** Limits on what one request may hold. */
export interface CountLimits {
  maxSeries: number;
  maxSamples: number;
  maxMetadata: number;
  maxFields: number;
}

function tooMany(fault: number, limits: CountLimits): RequestError | undefined {
  switch (fault) {
    case faults.TOO_MANY_SERIES:
      return overCount('TOO_MANY_SERIES', limits.maxSeries, 'series', 'max_series_per_request');
    case faults.TOO_MANY_SAMPLES:
      return overCount('TOO_MANY_SAMPLES', limits.maxSamples, SAMPLES, 'max_samples_per_request');
    case faults.TOO_MANY_METADATA:
      return overCount('TOO_MANY_METADATA', limits.maxMetadata, 'metadata entries', 'max_metadata_per_request');
    case faults.TOO_MANY_FIELDS:
      return overCount('TOO_MANY_FIELDS', limits.maxFields, FIELDS, 'max_fields_per_request');
    default:
      return undefined;
  }
}

const SAMPLES = 'samples, histograms and exemplars';
const FIELDS = 'fields of histograms, exemplars, metadata and unknown kinds';

function overCount(code: RequestErrorCode, limit: number, what: string, key: string): RequestError {
  return new RequestError(
    code,
    `body has more than ${limit} ${what}, which exceeds limits.${key} (${limit}); ${REMEDY}`,
  );
}

/** @param at offset in the decoded message */
export function messageFault(fault: number, at: number, limits: CountLimits): RequestError {
  const over = tooMany(fault, limits);
  if (over !== undefined) return over;
  const what = `${faultText(fault)} at byte ${at} of the decoded message`;
  return fault === faults.SERIES_WITHOUT_LABELS
    ? new RequestError('SERIES_WITHOUT_LABELS', `${what}; the receiver would refuse the request`)
    : new RequestError('BODY_NOT_WRITE_REQUEST', `body is not a WriteRequest of remote write 1.0: ${what}`);
}

/** @param what with its size: `body of 12 bytes` */
export function bodyTooLarge(what: string, maxBodyBytes: number): RequestError {
  return new RequestError(
    'BODY_TOO_LARGE',
    `${what} exceeds limits.max_body_bytes (${formatSize(maxBodyBytes)}); ${REMEDY}`,
  );
}

export function decodedTooLarge(rawBytes: number, maxDecodedBytes: number): RequestError {
  const limit = `limits.max_decoded_bytes (${formatSize(maxDecodedBytes)})`;
  return new RequestError('DECODED_TOO_LARGE', `body decodes to ${rawBytes} bytes, which exceeds ${limit}; ${REMEDY}`);
}

const REMEDY = 'raise it, or lower max_samples_per_send of the sender';
