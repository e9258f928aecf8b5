/**
 * The data that the server sends to the page: a `history` on connecting, then a `status` every second. Rates are per
 * second, over the last few seconds; totals count from the start of the process. Times are ms since the epoch unless
 * the name says otherwise.
 */
import type { Column } from './status-page/history.ts';

/** `idle`: nothing is wrong, and nothing comes in. */
export type Level = 'ok' | 'idle' | 'warn' | 'bad';

/** The sentence that a person reads first. */
export interface State {
  readonly level: Level;
  /** Changes only with the kind of state, not with its numbers, so that a screen reader announces real changes. */
  readonly key: string;
  readonly sentence: string;
  /** The consequence for the data, and the remedy; empty when there is nothing to say. */
  readonly remedy: string;
}

export interface Snapshot {
  readonly atMs: number;
  readonly startedAtMs: number;
  readonly version: string;
  readonly workers: WorkersStatus;
  readonly state: State;
  readonly ready: boolean;
  /** The reasons why it is not ready. */
  readonly reasons: readonly string[];
  readonly inflightBytes: number;
  readonly maxInflightBytes: number;
  readonly destinations: readonly DestinationStatus[];
  readonly senders: SendersStatus;
  readonly problems: readonly ProblemStatus[];
}

/** Processes that take requests. */
export interface WorkersStatus {
  readonly running: number;
  readonly wanted: number;
}

export interface DestinationStatus {
  readonly name: string;
  readonly url: string;
  /** The newest point of its history. */
  readonly point: HistoryPoint;
  /** Samples and histograms: received = delivered + rejected + refused + pending. */
  readonly received: number;
  readonly delivered: number;
  readonly deduplicated: number;
  readonly rejected: readonly Count[];
  readonly refused: readonly Count[];
  readonly pending: number;
  /** The answers to attempts upstream. */
  readonly answers: readonly Count[];
  readonly batches: number;
  readonly batchedParcels: number;
  readonly maxShards: number;
  readonly queueCapacity: number;
  readonly isDown: boolean;
  readonly sendersIsolated: number;
  readonly clockSkewMs: number;
  readonly credentials: {
    readonly valid: boolean;
    /** 0 if they do not expire, or there are none. */
    readonly expiresAtMs: number;
    readonly lastError: string;
    readonly refreshes: number;
    readonly failures: number;
  };
}

/** How often something happened since the start. */
export interface Count {
  readonly code: string;
  readonly words: string;
  readonly count: number;
}

/** A field is null if there is no value, such as the latency of no request. */
export type HistoryPoint = Readonly<Record<Column, number | null>>;
/** Oldest first. */
export type HistoryColumns = Record<Column, (number | null)[]>;

export interface HistoryMessage {
  /** Points kept at most; one a second. */
  readonly capacity: number;
  readonly destinations: readonly { readonly name: string; readonly columns: HistoryColumns }[];
}

export interface SendersStatus {
  /** Addresses that have a connection. */
  readonly connected: number;
  /** The busiest addresses, and the latest of those that have gone. */
  readonly rows: readonly SenderRow[];
  /** Addresses known beyond `rows`. */
  readonly more: number;
}

export interface SenderRow {
  readonly address: string;
  /** 0 for one that has gone. */
  readonly connections: number;
  readonly requestsPerSecond: number;
  readonly samplesPerSecond: number;
  readonly lastStatus: number;
  /** The text of its last answer that was not 2xx. */
  readonly lastRefusal: string;
  readonly isolated: boolean;
  /** When its last request came in; 0 for never. */
  readonly lastRequestAtMs: number;
}

export interface ProblemStatus {
  /** Empty if it concerns no destination. */
  readonly destination: string;
  readonly what: string;
  readonly said: string;
  readonly remedy: string;
  /** The sender that it concerns; empty if it concerns all. */
  readonly sender: string;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}
