/**
 * The faults that the sandbox plays on purpose: which requests they affect, how often, and how.
 *
 * Faults are tried in the order they were added. A `delay` or `close-idle` adds to what follows; the first fault of
 * any other kind that matches decides the request. A fault with `label` needs the body, so it cannot act before it.
 */
import { isJsonObject } from './json-object.ts';

export type FaultTarget = 'amp' | 'sts';

export type FaultAction =
  /** Answer with this instead. `retryAfter` is a number of seconds, or `date:N` for the HTTP date N seconds from now. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly retryAfter?: number | `date:${number}`;
    }
  /** Wait, then go on. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Accept and never answer. */
  | { readonly kind: 'hang'; readonly at?: 'before-body' | 'after-body' }
  /** Reset the connection. `during-response` sends half an answer first. */
  | { readonly kind: 'reset'; readonly at: 'before-body' | 'during-body' | 'after-body' | 'during-response' }
  /** The real answer, a byte every `intervalMs`. */
  | { readonly kind: 'drip'; readonly intervalMs: number }
  /** Bytes that are not HTTP, then close. */
  | { readonly kind: 'garbage'; readonly text?: string }
  /** A 200 that ends before its declared length. */
  | { readonly kind: 'truncate' }
  /** Close the connection once it has been idle this long after its answer. */
  | { readonly kind: 'close-idle'; readonly afterMs: number }
  /** The port is closed: connections are refused until the fault is removed. Takes no matchers and no counts. */
  | { readonly kind: 'down' }
  /** STS and container credentials only: issue credentials that live this long, or empty ones. */
  | { readonly kind: 'credentials'; readonly lifetimeSeconds?: number; readonly empty?: boolean };

export interface FaultSpec {
  /** Default: amp. */
  readonly target?: FaultTarget;
  /** Only requests whose path contains this. */
  readonly path?: string;
  /** Only requests with a series that has this label. */
  readonly label?: { readonly name: string; readonly value: string };
  /** Only requests on a connection that has served one before. */
  readonly onReusedConnection?: boolean;
  /** Let this many matching requests pass first. */
  readonly skip?: number;
  /** Act on this many, then never again; absent is for ever. */
  readonly times?: number;
  /** Act on a matching request with this probability, from `seed`. */
  readonly probability?: number;
  readonly seed?: number;
  /**
   * Ingest the request by the rules all the same, then misbehave: the at-least-once case. Default false; the kinds
   * that carry the real answer (drip, truncate, reset during-response) always do.
   */
  readonly apply?: boolean;
  readonly action: FaultAction;
}

export interface FaultState extends FaultSpec {
  readonly id: string;
  /** How many requests it has acted on. */
  readonly hits: number;
}

/** The facts of a request that a matcher may use. `hasLabel` is undefined as long as the body has not been read. */
export interface FaultFacts {
  readonly path: string;
  readonly isReusedConnection: boolean;
  readonly hasLabel: ((name: string, value: string) => boolean) | undefined;
}

export interface FaultPlan {
  readonly delayMs: number;
  readonly closeIdleAfterMs: number | undefined;
  readonly action: Exclude<FaultAction, { kind: 'delay' | 'close-idle' | 'down' }> | undefined;
  readonly apply: boolean;
}

interface ActiveFault {
  readonly id: string;
  readonly spec: FaultSpec;
  readonly random: () => number;
  seen: number;
  hits: number;
}

export class Faults {
  #active: ActiveFault[] = [];
  #nextId = 1;
  /** Called after every change, so that a listener can close or open its port. */
  onChange: () => void = () => undefined;

  /** @returns its id. @throws TypeError when the fault contradicts itself. */
  add(spec: FaultSpec): string {
    assertConsistent(spec);
    const id = `fault-${this.#nextId}`;
    this.#nextId += 1;
    this.#active.push({ id, spec, random: seededRandom(spec.seed ?? this.#nextId), seen: 0, hits: 0 });
    this.onChange();
    return id;
  }

  remove(id: string): void {
    this.#active = this.#active.filter((fault) => fault.id !== id);
    this.onChange();
  }

  clear(target?: FaultTarget): void {
    this.#active = this.#active.filter(({ spec }) => target !== undefined && targetOf(spec) !== target);
    this.onChange();
  }

  list(): FaultState[] {
    return this.#active.map(({ id, spec, hits }) => ({ ...spec, id, hits }));
  }

  isDown(target: FaultTarget): boolean {
    return this.#active.some(({ spec }) => spec.action.kind === 'down' && targetOf(spec) === target);
  }

  /** Returns the actions before the body is read. */
  planBeforeBody(target: FaultTarget, facts: FaultFacts): FaultPlan {
    return this.#plan(target, facts, (spec) => actsBeforeBody(spec.action));
  }

  /** Returns the actions once the body has arrived. */
  planAfterBody(target: FaultTarget, facts: FaultFacts): FaultPlan {
    return this.#plan(target, facts, (spec) => !actsBeforeBody(spec.action));
  }

  #plan(target: FaultTarget, facts: FaultFacts, isDue: (spec: FaultSpec) => boolean): FaultPlan {
    let delayMs = 0;
    let closeIdleAfterMs: number | undefined;
    for (const fault of this.#active) {
      const { action, apply = false } = fault.spec;
      if (action.kind === 'down' || targetOf(fault.spec) !== target || !isDue(fault.spec)) continue;
      if (!matches(fault.spec, facts) || !takesTurn(fault)) continue;
      if (action.kind === 'delay') delayMs += action.ms;
      else if (action.kind === 'close-idle') closeIdleAfterMs = action.afterMs;
      else return { delayMs, closeIdleAfterMs, action, apply };
    }
    return { delayMs, closeIdleAfterMs, action: undefined, apply: false };
  }
}

const FAULT_KINDS: Readonly<Record<FaultAction['kind'], true>> = {
  status: true,
  delay: true,
  hang: true,
  reset: true,
  drip: true,
  garbage: true,
  truncate: true,
  'close-idle': true,
  down: true,
  credentials: true,
};

/** Checks as much as prevents a slip from misleading a test; callers use the typed client. */
export function isFaultSpec(value: unknown): value is FaultSpec {
  if (!isJsonObject(value) || !isJsonObject(value['action'])) return false;
  const { kind } = value['action'];
  const target = value['target'] ?? 'amp';
  return typeof kind === 'string' && Object.hasOwn(FAULT_KINDS, kind) && (target === 'amp' || target === 'sts');
}

function targetOf(spec: FaultSpec): FaultTarget {
  return spec.target ?? 'amp';
}

function actsBeforeBody(action: FaultAction): boolean {
  if (action.kind === 'hang') return action.at === 'before-body';
  return action.kind === 'reset' && (action.at === 'before-body' || action.at === 'during-body');
}

function matches({ path, label, onReusedConnection }: FaultSpec, facts: FaultFacts): boolean {
  if (path !== undefined && !facts.path.includes(path)) return false;
  if (onReusedConnection !== undefined && onReusedConnection !== facts.isReusedConnection) return false;
  return label === undefined || facts.hasLabel?.(label.name, label.value) === true;
}

/** Counts a matching request, and tells whether the fault acts on it. */
function takesTurn(fault: ActiveFault): boolean {
  const { skip = 0, times = Number.POSITIVE_INFINITY, probability = 1 } = fault.spec;
  fault.seen += 1;
  if (fault.seen <= skip || fault.hits >= times) return false;
  if (probability < 1 && fault.random() >= probability) return false;
  fault.hits += 1;
  return true;
}

function assertConsistent(spec: FaultSpec): void {
  const { action, label, probability = 1 } = spec;
  if (label !== undefined && actsBeforeBody(action)) {
    throw new TypeError(`a fault with a label needs the body, and ${action.kind} here acts before it`);
  }
  if (spec.apply === true && actsBeforeBody(action)) {
    throw new TypeError(`a fault before the body cannot apply the request first`);
  }
  if (action.kind === 'credentials' && spec.target !== 'sts')
    throw new TypeError(`a credentials fault needs target: sts`);
  if (!(probability >= 0 && probability <= 1)) throw new TypeError(`probability ${probability} is not within 0 and 1`);
}

/** mulberry32: small, seeded, good enough to pick requests. @returns numbers from 0 to 1, without 1. */
function seededRandom(seed: number): () => number {
  let state = Math.trunc(seed);
  return () => {
    state = Math.trunc(state + 0x6d2b79f5);
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
