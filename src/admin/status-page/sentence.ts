/** Makes the one sentence of state, which a person reads first. It names the worst state of any destination. */
import type { Level, State, WorkersStatus } from '../snapshot.ts';
import { explain } from '../../outcome/explain.ts';
import { redact } from '../../outcome/redact.ts';

/** The input of the sentence about one destination. Rates are per second. */
export interface DestinationFacts {
  readonly name: string;
  readonly received: number;
  readonly delivered: number;
  /** Samples since the start. */
  readonly receivedTotal: number;
  readonly pending: number;
  /** Answers that accepted the data, per second. */
  readonly taken: number;
  /** The reason why the latest attempt failed; undefined if it did not. */
  readonly failing: string | undefined;
  readonly isDown: boolean;
  readonly hasCredentials: boolean;
  readonly credentialsError: string;
  /** Samples rejected for good in the last quarter of an hour. */
  readonly rejectedLately: number;
  /** The used part of the queue's capacity, 0 to 1. */
  readonly queueUsed: number;
  /** Samples a second over the last minute. */
  readonly deliveredLastMinute: number;
  readonly rejectedLastMinute: number;
  /** The longest 99th percentile of the delivery time within the last 15 seconds, ms; 0 where nothing was delivered. */
  readonly slowestMs: number;
  /** Since when it has not been well, ms since the epoch; undefined while it is. */
  readonly troubledSinceMs: number | undefined;
}

export interface Facts {
  readonly draining: boolean;
  readonly workers: WorkersStatus;
  readonly destinations: readonly DestinationFacts[];
  /** ms since the epoch */
  readonly nowMs: number;
}

const KEPT = 'Nothing is lost: senders keep their samples and send them again.';
const NEARLY_FULL = 0.8;
/** A sender waits for its answer, so that its throughput is that of its shards over this time. */
const SLOW_MS = 5_000;
/** Prometheus cuts its write-ahead log after about two hours: https://prometheus.io/docs/practices/remote_write/ */
const SENDERS_KEEP_MS = 2 * 60 * 60_000;
/** A trouble that has lasted less is told without its beginning. */
const WORTH_A_TIME_MS = 10_000;

export function stateOf({ draining, workers, destinations, nowMs }: Facts): State {
  if (draining) {
    const pending = destinations.reduce((sum, one) => sum + one.pending, 0);
    const rest = pending === 0 ? 'nothing is pending' : `${grouped(pending)} samples are pending`;
    return {
      level: 'warn',
      key: 'draining',
      sentence: `Shutting down: ${rest}.`,
      remedy: 'Senders go to another replica.',
    };
  }
  const states = destinations.map((one) => {
    const { level, key, sentence, remedy } = withTime(destinationState(one), one.troubledSinceMs, nowMs);
    const of = destinations.length === 1 ? '' : `remote_write ${redact(one.name)}: `;
    return { level, key: `${key} ${one.name}`, sentence: `${of}${sentence}`, remedy };
  });
  const [worst] = withWorkers(workers, destinations, states).toSorted((a, b) => RANK[b.level] - RANK[a.level]);
  if (worst === undefined || worst.level === 'ok' || worst.level === 'idle') return wholeState(destinations);
  return worst;
}

/**
 * Put before sentences that are no worse. When no worker runs, the reason why none can start comes first: without
 * credentials none listens.
 */
function withWorkers(
  { running, wanted }: WorkersStatus,
  destinations: readonly DestinationFacts[],
  states: readonly State[],
): readonly State[] {
  if (running >= wanted) return states;
  const remedy = 'One that ends or hangs is replaced by itself. If it lasts, the log says what is wrong.';
  if (running === 0) {
    const sentence = 'No worker takes requests.';
    return [...states, { level: 'bad', key: 'no_workers', sentence, remedy: `${KEPT} ${remedy}` }];
  }
  const flow = `Delivering ${perSecond(sumOf(destinations, ({ delivered }) => delivered))}`;
  const sentence = `${flow}; ${running} of ${wanted} workers take${running === 1 ? 's' : ''} requests.`;
  return [{ level: 'warn', key: 'few_workers', sentence, remedy }, ...states];
}

const RANK: Readonly<Record<Level, number>> = { ok: 0, idle: 0, warn: 1, bad: 2 };

/** The state of one destination without its time, which is what its time is counted from. */
export function levelOf(facts: DestinationFacts): Level {
  return destinationState(facts).level;
}

/** The sentence says since when; the remedy, for how long the senders can keep their data. */
function withTime(state: State, sinceMs: number | undefined, nowMs: number): State {
  if (sinceMs === undefined || state.level === 'ok' || nowMs - sinceMs < WORTH_A_TIME_MS) return state;
  const sentence = `${state.sentence.replace(/\.$/, '')}, since ${clockTime(sinceMs)} (${duration(nowMs - sinceMs)}).`;
  if (!state.remedy.startsWith(KEPT)) return { ...state, sentence };
  const endMs = sinceMs + SENDERS_KEEP_MS;
  const until =
    nowMs < endMs
      ? `A Prometheus keeps about 2 h, until about ${clockTime(endMs)}.`
      : `But a Prometheus keeps about 2 h, over since ${clockTime(endMs)}: its oldest samples are being lost.`;
  const kept = nowMs < endMs ? KEPT : 'Senders send again what they still have.';
  return { ...state, sentence, remedy: `${kept} ${until}${state.remedy.slice(KEPT.length)}` };
}

/** `06:12 UTC`, the same for whoever looks. */
function clockTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(11, 16)} UTC`;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** Describes one destination; the most important state wins. */
function destinationState(facts: DestinationFacts): State {
  const { received, delivered, pending, taken, failing, isDown, rejectedLately, queueUsed } = facts;
  const { hasCredentials, credentialsError, deliveredLastMinute, rejectedLastMinute, slowestMs } = facts;
  const flow = `Delivering ${perSecond(delivered)}`;
  if (!hasCredentials) {
    const { remedy } = explain('no_credentials');
    const sentence = `There are no AWS credentials: ${redact(credentialsError)}.`.replace(/\.\.$/, '.');
    return { level: 'bad', key: 'no_credentials', sentence, remedy: `${KEPT} ${remedy}` };
  }
  if (failing !== undefined) {
    const { what, remedy } = explain(failing);
    if (received === 0 && pending === 0) {
      const sentence = `Nothing is coming in; the last attempt: AMP ${what}.`;
      return { level: 'warn', key: `${failing} silent`, sentence, remedy };
    }
    // Throttling passes, and the proxy slows down for it: nothing is lost and nobody has to get up.
    if (isThrottling(failing) && taken === 0) {
      const sentence = `AMP ${what}; trying again.`;
      return { level: 'warn', key: `${failing} retrying`, sentence, remedy: `${KEPT} ${remedy}` };
    }
    if (isDown || taken === 0) {
      const sentence = isDown ? `AMP ${what}; senders are told to wait.` : `AMP ${what}; trying again.`;
      return { level: 'bad', key: `${failing} ${isDown ? 'down' : 'retrying'}`, sentence, remedy: `${KEPT} ${remedy}` };
    }
    return { level: 'warn', key: `${failing} some`, sentence: `${flow}, but at times AMP ${what}.`, remedy };
  }
  if (rejectedLastMinute > 0 && deliveredLastMinute === 0) {
    const sentence = `Nothing is delivered: AMP rejected all ${grouped(rejectedLately)} ${plural(rejectedLately)} that it answered.`;
    const remedy = 'What AMP rejects, its sender drops, and it is lost. See below whose it is and why.';
    return { level: 'bad', key: 'all_rejected', sentence, remedy };
  }
  if (rejectedLately > 0) {
    const sentence = `${flow}; AMP rejected ${grouped(rejectedLately)} ${plural(rejectedLately)} in the last 15 minutes.`;
    const others = deliveredLastMinute > 0 ? '; what others send is delivered' : '';
    const remedy = `What AMP rejects, its sender drops${others}. See below whose it is and why.`;
    return { level: 'warn', key: 'rejected', sentence, remedy };
  }
  if (slowestMs >= SLOW_MS) {
    const seconds = (slowestMs / 1000).toFixed(1);
    const sentence = `${flow} of ${perSecond(received)} that come in; a delivery takes up to ${seconds} s.`;
    const remedy = `${KEPT} AMP, or the way to it, is slow: look at what AMP answers below, and raise max_shards if it stays.`;
    return { level: 'warn', key: 'slow', sentence, remedy };
  }
  if (queueUsed >= NEARLY_FULL) {
    const sentence = `${flow}; the queue is ${Math.round(queueUsed * 100)}% full.`;
    return { level: 'warn', key: 'queue', sentence, remedy: explain('queue_full').remedy };
  }
  return { level: 'ok', key: 'ok', sentence: '', remedy: '' };
}

function isThrottling(code: string): boolean {
  return code === '429' || code === '408' || code.startsWith('throttled_');
}

/** Used when nothing is wrong. */
function wholeState(destinations: readonly DestinationFacts[]): State {
  const of = (read: (facts: DestinationFacts) => number): number => sumOf(destinations, read);
  if (of((facts) => facts.receivedTotal) === 0) {
    return {
      level: 'idle',
      key: 'waiting',
      sentence: 'Ready, and no sender has written yet.',
      remedy: 'Point the remote_write of a Prometheus at port 8005 of this service, /api/v1/write.',
    };
  }
  if (of((facts) => facts.received) === 0 && of((facts) => facts.pending) === 0) {
    return {
      level: 'idle',
      key: 'silent',
      sentence: 'Nothing is coming in; all that came was answered.',
      remedy: 'If senders should be writing, look at their log and at the network policy.',
    };
  }
  const sentence = `Delivering ${perSecond(of((facts) => facts.delivered))}, nothing lost.`;
  return { level: 'ok', key: 'ok', sentence, remedy: '' };
}

function sumOf(destinations: readonly DestinationFacts[], read: (facts: DestinationFacts) => number): number {
  return destinations.reduce((sum, facts) => sum + read(facts), 0);
}

function perSecond(rate: number): string {
  return `${grouped(rate)} samples/s`;
}

function plural(count: number): string {
  return count === 1 ? 'sample' : 'samples';
}

/** Formats `842`, `12.3k`, `4.56M`, which a person reads at a glance. */
export function grouped(value: number): string {
  for (const [size, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (value >= size * 0.99995) return `${Number((value / size).toPrecision(3))}${letter}`;
  }
  return value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}
