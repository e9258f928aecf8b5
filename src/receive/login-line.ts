/**
 * The line of logins whose passwords are to be checked, one at a time. An address with fewer failures is served first.
 * When every place is taken, the login with the most failures gives way. After the login of an address with failures the
 * next one of such an address rests for four times as long, so that guessing takes a fifth of a processor at most.
 */
import type { AuthResult } from './auth.ts';

interface Waiting {
  readonly address: string;
  readonly check: () => Promise<AuthResult>;
  readonly resolve: (result: AuthResult | Promise<AuthResult>) => void;
}

export interface LoginLineRooms {
  /** Logins of the address that failed lately. */
  readonly failuresOf: (address: string) => number;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
}

const PLACES = 16;
/** Of one address, so that nobody keeps the others from being checked. */
const PLACES_OF_ADDRESS = 2;
const REST = 4;

export class LoginLine {
  readonly #rooms: LoginLineRooms;
  /** In the order of their coming. */
  #waiting: Waiting[] = [];
  #current: Waiting | undefined;
  #restUntilMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(rooms: LoginLineRooms) {
    this.#rooms = rooms;
  }

  /** Resolves with what `check` does, or with busy where there is no place for it, or not any more. */
  async enter(address: string, check: () => Promise<AuthResult>): Promise<AuthResult> {
    const all = this.#current === undefined ? this.#waiting : [this.#current, ...this.#waiting];
    if (all.filter((each) => each.address === address).length >= PLACES_OF_ADDRESS) return 'busy';
    if (all.length >= PLACES && !this.#tryMakePlace(this.#rooms.failuresOf(address))) return 'busy';
    return new Promise((resolve) => {
      this.#waiting.push({ address, check, resolve });
      this.#next();
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    for (const { resolve } of this.#waiting) resolve('busy');
    this.#waiting = [];
  }

  #tryMakePlace(failures: number): boolean {
    const worst = this.#extreme((mine, best) => mine > best);
    if (worst === undefined || this.#rooms.failuresOf(worst.address) <= failures) return false;
    this.#waiting = this.#waiting.filter((each) => each !== worst);
    worst.resolve('busy');
    return true;
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const next = this.#extreme((mine, best) => mine < best);
    if (next === undefined) return;
    const guesses = this.#rooms.failuresOf(next.address) > 0;
    const restMs = this.#restUntilMs - this.#rooms.nowMs();
    if (guesses && restMs > 0) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#next(), restMs).unref();
      return;
    }
    this.#waiting = this.#waiting.filter((each) => each !== next);
    this.#current = next;
    void this.#serve(next, guesses);
  }

  async #serve({ check, resolve }: Waiting, guesses: boolean): Promise<void> {
    const startedAtMs = this.#rooms.nowMs();
    const checked = check();
    resolve(checked);
    await checked.catch(() => undefined);
    const nowMs = this.#rooms.nowMs();
    if (guesses) this.#restUntilMs = nowMs + REST * (nowMs - startedAtMs);
    this.#current = undefined;
    this.#next();
  }

  /** The first of those whose failures are more, or less, than everybody's. */
  #extreme(isBeyond: (mine: number, best: number) => boolean): Waiting | undefined {
    let found: Waiting | undefined;
    let best = 0;
    for (const each of this.#waiting) {
      const mine = this.#rooms.failuresOf(each.address);
      if (found !== undefined && !isBeyond(mine, best)) continue;
      found = each;
      best = mine;
    }
    return found;
  }
}
