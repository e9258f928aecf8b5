/**
 * Turns: so many queries of one entry are in flight, and so many more wait, in order. A place is taken as soon as a
 * request's head is there, so that nothing is read of one that finds none.
 *
 *     waiting -> active -> over
 *     waiting -> over
 */

export class Turn {
  readonly #turns: QueryTurns;
  readonly #began = Promise.withResolvers<boolean>();
  #state: 'waiting' | 'active' | 'over' = 'waiting';

  constructor(turns: QueryTurns) {
    this.#turns = turns;
  }

  /** True when it may go; false when it was over before. */
  get begun(): Promise<boolean> {
    return this.#began.promise;
  }

  get state(): 'waiting' | 'active' | 'over' {
    return this.#state;
  }

  /** Called by QueryTurns alone. */
  begin(): void {
    this.#become('active');
    this.#began.resolve(true);
  }

  /** Gives the place back; may be called more than once. */
  end(): void {
    if (this.#state === 'over') return;
    const was = this.#state;
    this.#become('over');
    this.#began.resolve(false);
    this.#turns.left(this, was);
  }

  #become(next: 'active' | 'over'): void {
    if (this.#state === 'over' || this.#state === next) throw new Error(`a turn is ${this.#state}, not before ${next}`);
    this.#state = next;
  }
}

export class QueryTurns {
  readonly #maxActive: number;
  readonly #maxWaiting: number;
  /** In order of arrival; a Set, so that one that gives up is taken out without a search. */
  readonly #waiting = new Set<Turn>();
  #active = 0;

  constructor(maxActive: number, maxWaiting: number) {
    this.#maxActive = maxActive;
    this.#maxWaiting = maxWaiting;
  }

  get active(): number {
    return this.#active;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Undefined when as many wait as may. */
  tryEnter(): Turn | undefined {
    if (this.#active >= this.#maxActive && this.#waiting.size >= this.#maxWaiting) return undefined;
    const turn = new Turn(this);
    this.#waiting.add(turn);
    this.#next();
    return turn;
  }

  /** Called by a Turn alone. */
  left(turn: Turn, was: 'waiting' | 'active'): void {
    if (was === 'waiting') this.#waiting.delete(turn);
    else {
      this.#active -= 1;
      this.#next();
    }
  }

  #next(): void {
    for (const turn of this.#waiting) {
      if (this.#active >= this.#maxActive) return;
      this.#waiting.delete(turn);
      this.#active += 1;
      turn.begin();
    }
  }
}
