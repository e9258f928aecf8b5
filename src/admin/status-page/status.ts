/**
 * Status: the content of the status page. Once a second it reads the stages' counts and remembers a point of history;
 * everything else is made only while a page is connected.
 */
import type { ServerResponse } from 'node:http';
import type { Readiness } from '../server.ts';
import { History, HISTORY_POINTS } from './history.ts';
import { tell } from './problems.ts';
import { Senders } from './senders.ts';
import { levelOf, stateOf, type DestinationFacts } from './sentence.ts';
import type {
  Count,
  DestinationStatus,
  HistoryMessage,
  ProblemStatus,
  Snapshot,
  State,
  WorkersStatus,
} from '../snapshot.ts';
import type { SenderSource } from './sender-source.ts';
import { Stream } from './stream.ts';
import type { DestinationSnapshot } from '../../metrics/destination-snapshot.ts';
import type { Tally } from '../../metrics/snapshot-fields.ts';
import { shortWords } from '../../outcome/explain.ts';
import { redact } from '../../outcome/redact.ts';

const EVERY_MS = 1_000;
/** The most problems that are shown, of all destinations together. */
const MAX_SHOWN_PROBLEMS = 20;

/** Characters of a reason for not being ready, which ends with its remedy. */
const LONGEST_REASON = 1_000;

export interface StatusDeps {
  readonly version: string;
  /** All of one moment; as many each time, and in the same order. */
  readonly destinations: () => readonly DestinationSnapshot[];
  readonly senders: () => Iterable<SenderSource>;
  readonly readiness: () => Readiness;
  readonly draining: () => boolean;
  /** The processes that carry data, and how many should; absent if it is this process. */
  readonly workers?: () => WorkersStatus;
  /** Problems that belong to no destination; absent if there can be none. */
  readonly problems?: () => readonly ProblemStatus[];
  readonly budget: { readonly usedBytes: number };
  readonly maxInflightBytes: number;
  /** ms since the epoch. */
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
  readonly log: { error(fields: object, message: string): void };
}

interface Watched {
  readonly snapshot: DestinationSnapshot;
  readonly history: History;
}

export class Status {
  readonly #deps: StatusDeps;
  readonly #startedAtMs: number;
  /** One for each destination. */
  readonly #histories: readonly History[];
  readonly #senders: Senders;
  readonly #stream = new Stream();
  /** By destination, while it is not well; ms since the epoch. */
  readonly #troubledSinceMs = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: StatusDeps) {
    this.#deps = deps;
    this.#startedAtMs = deps.wallMs();
    this.#histories = deps.destinations().map(() => new History());
    this.#senders = new Senders(deps.senders);
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stream.close();
  }

  /** Takes one point of history and sends it to the connected pages. */
  record(): void {
    const nowMs = this.#deps.wallMs();
    for (const { snapshot, history } of this.#watched()) {
      history.record(nowMs, snapshot);
      this.#noteTrouble(factsOf(snapshot, history, undefined), nowMs);
    }
    this.#senders.record(nowMs);
    if (this.#stream.pages > 0) this.#stream.tellAll('status', this.snapshot());
  }

  /** Sends a page the history, and from then on every status. Returns false if enough pages are connected already. */
  tryShow(response: ServerResponse, headers: Readonly<Record<string, string>>): boolean {
    if (!this.#stream.tryAdd(response, headers)) return false;
    this.#stream.tell(response, 'history', this.#history());
    this.#stream.tell(response, 'status', this.snapshot());
    return true;
  }

  state(): State {
    return this.#state(this.#watched());
  }

  #state(watched: readonly Watched[]): State {
    const destinations = watched.map(({ snapshot, history }) =>
      factsOf(snapshot, history, this.#troubledSinceMs.get(snapshot.name)),
    );
    const nowMs = this.#deps.wallMs();
    return stateOf({ draining: this.#deps.draining(), workers: this.#workers(), destinations, nowMs });
  }

  #noteTrouble(facts: DestinationFacts, nowMs: number): void {
    const level = levelOf(facts);
    if (level === 'ok') this.#troubledSinceMs.delete(facts.name);
    else if (!this.#troubledSinceMs.has(facts.name)) this.#troubledSinceMs.set(facts.name, nowMs);
  }

  snapshot(): Snapshot {
    const { version, readiness, budget, maxInflightBytes, wallMs, monotonicMs } = this.#deps;
    const { ready, reasons } = readiness();
    const own = this.#deps.problems?.() ?? [];
    const watched = this.#watched();
    const problems = [
      ...own,
      ...watched.flatMap(({ snapshot }) => snapshot.problems.map((problem) => tell(problem, snapshot.name))),
    ];
    return {
      atMs: wallMs(),
      startedAtMs: this.#startedAtMs,
      version,
      workers: this.#workers(),
      state: this.#state(watched),
      ready,
      reasons: reasons.map((reason) => redact(reason, LONGEST_REASON)),
      inflightBytes: budget.usedBytes,
      maxInflightBytes,
      destinations: watched.map(({ snapshot, history }) => statusOf(snapshot, history)),
      senders: this.#senders.status(monotonicMs()),
      problems: problems.toSorted((a, b) => b.lastAtMs - a.lastAtMs).slice(0, MAX_SHOWN_PROBLEMS),
    };
  }

  #watched(): readonly Watched[] {
    const snapshots = this.#deps.destinations();
    return this.#histories.flatMap((history, index) => {
      const { [index]: snapshot } = snapshots;
      return snapshot === undefined ? [] : { snapshot, history };
    });
  }

  #workers(): WorkersStatus {
    return this.#deps.workers?.() ?? { running: 1, wanted: 1 };
  }

  /** An error of the page must not stop delivery. */
  #tick(): void {
    try {
      this.record();
    } catch (error) {
      this.stop();
      const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#deps.log.error({ error: said }, 'the status page stands still for a fault of the proxy; delivery goes on');
    }
  }

  #history(): HistoryMessage {
    const destinations = this.#watched().map(({ snapshot: { name }, history }) => ({
      name,
      columns: history.columns(),
    }));
    return { capacity: HISTORY_POINTS, destinations };
  }
}

function factsOf(
  snapshot: DestinationSnapshot,
  history: History,
  troubledSinceMs: number | undefined,
): DestinationFacts {
  const { latest, rejectedLately } = history;
  const { name, received, pending, failing, isDown, credentials, queuedSamples, queueCapacity } = snapshot;
  return {
    name,
    received: latest.received ?? 0,
    delivered: latest.delivered ?? 0,
    receivedTotal: received,
    pending,
    taken: latest.answersTaken ?? 0,
    failing: failing ?? undefined,
    isDown,
    hasCredentials: credentials.valid,
    credentialsError: credentials.lastError,
    rejectedLately,
    queueUsed: queueCapacity > 0 ? queuedSamples / queueCapacity : 0,
    deliveredLastMinute: history.meanOf('delivered', 60),
    rejectedLastMinute: history.growthOf('rejected', 60) / 60,
    slowestMs: history.greatestOf('p99Ms', 15),
    troubledSinceMs,
  };
}

function statusOf(snapshot: DestinationSnapshot, history: History): DestinationStatus {
  const { name, url, received, delivered, deduplicated, pending, batches, batchedParcels } = snapshot;
  const { maxShards, queueCapacity, isDown, sendersIsolated, clockSkewMs, credentials } = snapshot;
  return {
    name,
    url: redact(url),
    point: history.latest,
    received,
    delivered,
    deduplicated,
    rejected: counts(snapshot.rejected.map(({ status, reason, samples }) => [`${status} ${reason}`, samples])),
    refused: counts(snapshot.refused),
    pending,
    answers: counts(snapshot.responses),
    batches,
    batchedParcels,
    maxShards,
    queueCapacity,
    isDown,
    sendersIsolated,
    clockSkewMs,
    credentials: {
      valid: credentials.valid,
      expiresAtMs: credentials.expirationSeconds * 1000,
      lastError: redact(credentials.lastError),
      refreshes: credentials.refreshes,
      failures: credentials.failures,
    },
  };
}

/** Sorts the most frequent first. */
function counts(of: Tally): Count[] {
  return of.map(([code, count]) => ({ code, words: shortWords(code), count })).toSorted((a, b) => b.count - a.count);
}
