/**
 * Every error class of the proxy in one table: class, stable code, HTTP status.
 *
 * Expected results of an upstream are values (see outcome/outcome.ts); these are for input that cannot be accepted
 * and for configuration that cannot be used. Codes never change, so that a log search or an alert can rely on them.
 */

/** The answers to requests that are refused before they become parcels: stable code -> HTTP status. */
export const REQUEST_ERROR_STATUS = {
  /** The body is not one valid snappy block. */
  BODY_NOT_SNAPPY: 400,
  /** The decoded body is not a valid remote write 1.0 WriteRequest. */
  BODY_NOT_WRITE_REQUEST: 400,
  /** A TimeSeries without labels: Cortex rejects the whole request for it, and with it the whole batch. */
  SERIES_WITHOUT_LABELS: 400,
  /** The compressed body exceeds limits.max_body_bytes. */
  BODY_TOO_LARGE: 413,
  /** The declared decoded size exceeds limits.max_decoded_bytes. */
  DECODED_TOO_LARGE: 413,
  /** The request has more series, samples, metadata entries or fields than limits.max_..._per_request. */
  TOO_MANY_SERIES: 413,
  TOO_MANY_SAMPLES: 413,
  TOO_MANY_METADATA: 413,
  TOO_MANY_FIELDS: 413,
  /** The request would have to be cut into more than batch/split.ts's MAX_PIECES. */
  TOO_MANY_PIECES: 413,
  /** Content-Type or Content-Encoding is not that of remote write 1.0. */
  UNSUPPORTED_ENCODING: 415,
  /** limits.max_inflight_bytes is used up. */
  OVER_INFLIGHT_BYTES: 503,
} as const;

export type RequestErrorCode = keyof typeof REQUEST_ERROR_STATUS;

/** A request that is refused before anything of it is queued. The message is what the sender reads. */
export class RequestError extends Error {
  readonly code: RequestErrorCode;

  constructor(code: RequestErrorCode, message: string) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
  }

  get httpStatus(): number {
    return REQUEST_ERROR_STATUS[this.code];
  }
}

/** The first worker could not start. */
export class WorkerStartError extends Error {
  readonly code = 'WORKER_START';
  /** `cannot start` or `cannot listen`, for the log. */
  readonly what: string;

  constructor(what: string, message: string) {
    super(message);
    this.name = 'WorkerStartError';
    this.what = what;
  }
}

/** Configuration that cannot be used. `problems` holds one sentence each: key, value, limit and remedy. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
