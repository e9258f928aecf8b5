/**
 * The line of logins whose passwords are to be checked, one at a time. Those with fewer failures are served first. When
 * every place is taken, the login with the most failures gives way. After a login that has failures the next such login
 * rests for four times as long, so that guessing takes a fifth of a processor at most.
 */
import type { AuthResult } from './auth.ts';

export interface Login {
  readonly address: string;
  /** The name that it gives, as whatever tells names apart. */
  readonly account: string;
}

interface Waiting extends Login {
  readonly check: () => Promise<AuthResult>;
  readonly resolve: (result: AuthResult | Promise<AuthResult>) => void;
}

export interface LoginLineDeps {
  /** How much speaks against it: 0 where nothing like it failed lately. */
  readonly failuresOf: (login: Login) => number;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
}

const PLACES = 16;
/** Of one address, so that nobody keeps the others from being checked; and of one name that it gives. */
const PLACES_OF_ADDRESS = 4;
const PLACES_OF_ACCOUNT = 2;
const REST = 4;

export class LoginLine {
  readonly #deps: LoginLineDeps;
  /** In the order of their coming. */
  #waiting: Waiting[] = [];
  #current: Waiting | undefined;
  #restUntilMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: LoginLineDeps) {
    this.#deps = deps;
  }

  /** Resolves with what `check` does, or with busy where there is no place for it, or not any more. */
  async enter({ address, account }: Login, check: () => Promise<AuthResult>): Promise<AuthResult> {
    const all = this.#current === undefined ? this.#waiting : [this.#current, ...this.#waiting];
    const ofAddress = all.filter((each) => each.address === address);
    const ofAccount = ofAddress.filter((each) => each.account === account);
    if (ofAddress.length >= PLACES_OF_ADDRESS || ofAccount.length >= PLACES_OF_ACCOUNT) return 'busy';
    if (all.length >= PLACES && !this.#tryMakePlace(this.#deps.failuresOf({ address, account }))) return 'busy';
    return new Promise((resolve) => {
      this.#waiting.push({ address, account, check, resolve });
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
    if (worst === undefined || this.#deps.failuresOf(worst) <= failures) return false;
    this.#waiting = this.#waiting.filter((each) => each !== worst);
    worst.resolve('busy');
    return true;
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const next = this.#extreme((mine, best) => mine < best);
    if (next === undefined) return;
    const guesses = this.#deps.failuresOf(next) > 0;
    const restMs = this.#restUntilMs - this.#deps.nowMs();
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
    const startedAtMs = this.#deps.nowMs();
    const checked = check();
    resolve(checked);
    await checked.catch(() => undefined);
    const nowMs = this.#deps.nowMs();
    if (guesses) this.#restUntilMs = nowMs + REST * (nowMs - startedAtMs);
    this.#current = undefined;
    this.#next();
  }

  /** The first of those whose failures are more, or less, than everybody's. */
  #extreme(isBeyond: (mine: number, best: number) => boolean): Waiting | undefined {
    let found: Waiting | undefined;
    let best = 0;
    for (const each of this.#waiting) {
      const mine = this.#deps.failuresOf(each);
      if (found !== undefined && !isBeyond(mine, best)) continue;
      found = each;
      best = mine;
    }
    return found;
  }
}
