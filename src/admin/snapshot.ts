/**
 * What the server tells the page: on connecting a `history`, then a `status` every second. Rates are a second's, over
 * the last few seconds; totals are since the process started. Times are ms since the epoch unless the name says else.
 */
import type { Column } from './status-page/history.ts';

/** `idle`: nothing is wrong, and nothing comes in. */
export type Level = 'ok' | 'idle' | 'warn' | 'bad';

/** What a person looks at first. */
export interface State {
  readonly level: Level;
  /** Changes with the kind of state only, not with its numbers: what is worth being read aloud. */
  readonly key: string;
  readonly sentence: string;
  /** What it means for the data, and what to do about it; empty when there is nothing to say. */
  readonly remedy: string;
}

export interface Snapshot {
  readonly atMs: number;
  readonly startedAtMs: number;
  readonly version: string;
  readonly workers: WorkersStatus;
  readonly state: State;
  readonly ready: boolean;
  /** Why it is not ready. */
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
  /** Attempts upstream. */
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
    /** 0 when they do not expire, or there are none. */
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

/** Null where there is nothing to tell, as of the latency of nothing. */
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
  /** The busiest, and of those that have gone the latest. */
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
  /** What it was told last, when that was not 2xx. */
  readonly lastRefusal: string;
  readonly isolated: boolean;
  /** When its last request came in; 0 for never. */
  readonly lastRequestAtMs: number;
}

export interface ProblemStatus {
  /** Empty when it concerns none. */
  readonly destination: string;
  readonly what: string;
  readonly said: string;
  readonly remedy: string;
  /** The sender it concerns; empty when it concerns all. */
  readonly sender: string;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}
