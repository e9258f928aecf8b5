/**
 * Status: what the status page shows. Once a second it reads the counts that the stages keep anyway and remembers a
 * point of history; what is more than that is made only while a page looks.
 */
import type { ServerResponse } from 'node:http';
import type { Readiness } from '../server.ts';
import { History, HISTORY_POINTS } from './history.ts';
import { readLatency, type LatencyRegistry } from './latency.ts';
import { Senders } from './senders.ts';
import { stateOf, type DestinationFacts } from './sentence.ts';
import type {
  Count,
  DestinationStatus,
  HistoryMessage,
  ProblemStatus,
  Snapshot,
  State,
  WorkersStatus,
} from '../snapshot.ts';
import type { DestinationSource, SenderSource } from './source.ts';
import { Stream } from './stream.ts';
import { shortWords } from '../../outcome/explain.ts';
import { redact } from '../../outcome/redact.ts';

const EVERY_MS = 1_000;
/** Problems shown, of all destinations together. */
const MAX_SHOWN_PROBLEMS = 20;

export interface StatusDeps {
  readonly version: string;
  readonly registry: LatencyRegistry;
  readonly destinations: readonly DestinationSource[];
  readonly senders: () => Iterable<SenderSource>;
  readonly readiness: () => Readiness;
  readonly draining: () => boolean;
  /** Processes that carry data, of those that should; absent where it is this one. */
  readonly workers?: () => WorkersStatus;
  /** What goes wrong beside the destinations; absent where there is nothing of the kind. */
  readonly problems?: () => readonly ProblemStatus[];
  readonly budget: { readonly usedBytes: number };
  readonly maxInflightBytes: number;
  /** ms since the epoch. */
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
  readonly log: { error(fields: object, message: string): void };
}

export class Status {
  readonly #deps: StatusDeps;
  readonly #startedAtMs: number;
  readonly #watched: readonly { readonly source: DestinationSource; readonly history: History }[];
  readonly #senders: Senders;
  readonly #stream = new Stream();
  #timer: NodeJS.Timeout | undefined;
  #reading = false;

  constructor(deps: StatusDeps) {
    this.#deps = deps;
    this.#startedAtMs = deps.wallMs();
    this.#watched = deps.destinations.map((source) => ({ source, history: new History(source) }));
    this.#senders = new Senders(deps.senders);
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#tick(), EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stream.close();
  }

  /** Takes one point of history and tells it to the pages that look. */
  async record(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      const latency = await readLatency(this.#deps.registry);
      const nowMs = this.#deps.wallMs();
      for (const { source, history } of this.#watched) history.record(nowMs, latency.get(source.metrics.name) ?? []);
      this.#senders.record(nowMs);
      if (this.#stream.pages > 0) this.#stream.tellAll('status', this.snapshot());
    } finally {
      this.#reading = false;
    }
  }

  /** Tells a page what has been, and from now on what is. False when enough pages look already. */
  tryShow(response: ServerResponse, headers: Readonly<Record<string, string>>): boolean {
    if (!this.#stream.tryAdd(response, headers)) return false;
    this.#stream.tell(response, 'history', this.#history());
    this.#stream.tell(response, 'status', this.snapshot());
    return true;
  }

  state(): State {
    const destinations = this.#watched.map(({ source, history }) => factsOf(source, history));
    return stateOf({ draining: this.#deps.draining(), workers: this.#workers(), destinations });
  }

  snapshot(): Snapshot {
    const { version, readiness, budget, maxInflightBytes, wallMs, monotonicMs } = this.#deps;
    const { ready, reasons } = readiness();
    const own = this.#deps.problems?.() ?? [];
    const problems = [...own, ...this.#watched.flatMap(({ source }) => source.problems.list(source.metrics.name))];
    return {
      atMs: wallMs(),
      startedAtMs: this.#startedAtMs,
      version,
      workers: this.#workers(),
      state: this.state(),
      ready,
      reasons: reasons.map(redact),
      inflightBytes: budget.usedBytes,
      maxInflightBytes,
      destinations: this.#watched.map(({ source, history }) => statusOf(source, history)),
      senders: this.#senders.status(monotonicMs()),
      problems: problems.toSorted((a, b) => b.lastAtMs - a.lastAtMs).slice(0, MAX_SHOWN_PROBLEMS),
    };
  }

  #workers(): WorkersStatus {
    return this.#deps.workers?.() ?? { running: 1, wanted: 1 };
  }

  /** A fault of the page is no reason to deliver nothing. */
  async #tick(): Promise<void> {
    try {
      await this.record();
    } catch (error) {
      this.stop();
      const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#deps.log.error({ error: said }, 'the status page stands still for a fault of the proxy; delivery goes on');
    }
  }

  #history(): HistoryMessage {
    const destinations = this.#watched.map(({ source, history }) => ({
      name: source.metrics.name,
      columns: history.columns(),
    }));
    return { capacity: HISTORY_POINTS, destinations };
  }
}

function factsOf(
  { metrics, credentials, problems, isDown, queuedSamples, queueCapacity }: DestinationSource,
  history: History,
): DestinationFacts {
  const { latest, rejectedLately } = history;
  return {
    name: metrics.name,
    received: latest.received ?? 0,
    delivered: latest.delivered ?? 0,
    receivedTotal: metrics.received,
    pending: metrics.pending,
    taken: latest.answersTaken ?? 0,
    failing: problems.failing,
    isDown: isDown(),
    hasCredentials: credentials.tryCurrent() !== undefined,
    credentialsError: credentials.lastError,
    rejectedLately,
    queueUsed: queueCapacity > 0 ? queuedSamples() / queueCapacity : 0,
  };
}

function statusOf(source: DestinationSource, history: History): DestinationStatus {
  const { metrics, credentials } = source;
  const { received, delivered, deduplicated, pending, batches, batchedParcels } = metrics;
  return {
    name: metrics.name,
    url: redact(metrics.url),
    point: history.latest,
    received,
    delivered,
    deduplicated,
    rejected: counts(metrics.rejectedByReason),
    refused: counts(metrics.refused),
    pending,
    answers: counts(metrics.responses),
    batches,
    batchedParcels,
    maxShards: source.maxShards,
    queueCapacity: source.queueCapacity,
    isDown: source.isDown(),
    sendersIsolated: source.sendersIsolated(),
    clockSkewMs: source.clockSkewMs(),
    credentials: {
      valid: credentials.tryCurrent() !== undefined,
      expiresAtMs: metrics.credentials.expirationSeconds * 1000,
      lastError: redact(credentials.lastError),
      refreshes: metrics.credentials.success,
      failures: metrics.credentials.failure,
    },
  };
}

/** The most frequent first. */
function counts(of: ReadonlyMap<string | number, number>): Count[] {
  return [...of]
    .map(([code, count]) => ({ code: String(code), words: shortWords(String(code)), count }))
    .toSorted((a, b) => b.count - a.count);
}
