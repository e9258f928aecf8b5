/**
 * The line of logins whose passwords wait to be checked, one at a time. Logins with fewer failures go first. When every
 * place is taken, the login with the most failures loses its place. After a check of a login with failures, the next
 * such login waits four times as long as the check took, so that guessing takes at most a fifth of a processor.
 */
import type { AuthResult } from './auth.ts';

export interface Login {
  readonly address: string;
  /** The name that it gives, in any form that tells names apart. */
  readonly account: string;
}

interface Waiting extends Login {
  readonly check: () => Promise<AuthResult>;
  readonly resolve: (result: AuthResult | Promise<AuthResult>) => void;
}

export interface LoginLineDeps {
  /** The number of recent failures of similar logins; 0 if there are none. */
  readonly failuresOf: (login: Login) => number;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
}

const PLACES = 16;
/** Places per address, so that no address keeps the others from being checked; and per name at an address. */
const PLACES_OF_ADDRESS = 4;
const PLACES_OF_ACCOUNT = 2;
const REST = 4;

export class LoginLine {
  readonly #deps: LoginLineDeps;
  /** In order of arrival. */
  #waiting: Waiting[] = [];
  #current: Waiting | undefined;
  #restUntilMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: LoginLineDeps) {
    this.#deps = deps;
  }

  /** Resolves with the result of `check`, or with busy if there is no place for it, or no longer. */
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

  /** Returns the first login whose failures are more, or fewer, than everybody's. */
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
