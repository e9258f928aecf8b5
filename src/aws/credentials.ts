/**
 * Credentials: the identity to sign with, kept fresh in the background, so that no send ever waits for STS while an
 * identity is valid.
 *
 * - One refresh at a time, each with a timeout; a provider that hangs is abandoned.
 * - Refreshed ahead of expiry, with jitter, so that the pods of a deployment do not all ask at once.
 * - When a refresh fails the last good identity is used until it expires.
 * - No message ever contains a secret: the SDK's errors name the cause, not the keys.
 */
import type { CredentialsMetrics } from '../metrics/counts.ts';
import type { CredentialsSource } from './credentials-source.ts';
import type { CredentialProvider, ExpiringIdentity } from './provider.ts';
import type { AwsIdentity } from './sigv4.ts';

/** A request signed now must still be good when it arrives. */
const LAST_USE_MS = 10_000;
/** An identity is refreshed this long before expiry, or after two thirds of its lifetime if that is shorter. */
const REFRESH_AHEAD_MS = 5 * 60_000;
const REFRESH_TIMEOUT_MS = 10_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** The longest wait while there is no identity at all and nothing can be sent. */
const RETRY_MAX_WITHOUT_MS = 10_000;
/** The shortest time between refreshes outside the schedule (after a 403, close to expiry). */
const FORCED_INTERVAL_MS = 5_000;

export interface CredentialsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export class Credentials {
  readonly #makeProvider: () => CredentialProvider;
  readonly #source: CredentialsSource;
  readonly #metrics: CredentialsMetrics;
  readonly #log: CredentialsLog;
  readonly #wallMs: () => number;
  readonly #random: () => number;
  #identity: ExpiringIdentity | undefined;
  #refreshing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #lastError = 'not asked for yet';
  #lastRemedy = '';
  /** When the refresh under way began; undefined while there is none. */
  #waitingSinceMs: number | undefined;
  #lastRefreshAtMs = -Infinity;
  #stopped = false;

  constructor(
    makeProvider: () => CredentialProvider,
    source: CredentialsSource,
    metrics: CredentialsMetrics,
    log: CredentialsLog,
    wallMs: () => number,
    random: () => number,
  ) {
    this.#makeProvider = makeProvider;
    this.#source = source;
    this.#metrics = metrics;
    this.#log = log;
    this.#wallMs = wallMs;
    this.#random = random;
  }

  /** The reason why there are none, in words. */
  get lastError(): string {
    const expiration = this.#identity?.expiration;
    if (this.#identity === undefined && this.#failures === 0 && this.#waitingSinceMs !== undefined) {
      const seconds = Math.max(0, Math.round((this.#wallMs() - this.#waitingSinceMs) / 1000));
      return `waiting for ${this.#source.name}, for ${seconds} s so far`;
    }
    if (this.#lastError !== '' || expiration === undefined || expiration.getTime() > this.#wallMs()) {
      return this.#lastError;
    }
    return `they expired at ${expiration.toISOString()}`;
  }

  /** The remedy for `lastError`; empty if there is none. */
  get lastRemedy(): string {
    return this.#lastRemedy;
  }

  /** Returns the identity to sign with now; undefined when there is none or it has expired. */
  tryCurrent(): AwsIdentity | undefined {
    const identity = this.#identity;
    if (identity?.expiration === undefined) return identity;
    const leftMs = identity.expiration.getTime() - this.#wallMs();
    // The schedule normally prevents this; it happens when the clock was set forward or the process slept.
    if (leftMs <= LAST_USE_MS && this.#failures === 0 && !this.#justRefreshed()) void this.refresh();
    return leftMs > 0 ? identity : undefined;
  }

  /**
   * Requests an identity now; resolves when it has arrived or could not be obtained. Joins a refresh that is under way.
   */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** Called when the upstream rejected the identity. Refreshes unless a refresh has just ended. */
  async refreshRefused(): Promise<void> {
    if (!this.#justRefreshed()) await this.refresh();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #justRefreshed(): boolean {
    const sinceMs = this.#wallMs() - this.#lastRefreshAtMs;
    // The value is negative after the clock was set back, which is when a rejection is to be expected.
    return sinceMs >= 0 && sinceMs < FORCED_INTERVAL_MS;
  }

  async #refresh(): Promise<void> {
    clearTimeout(this.#timer);
    const startedAtMs = this.#wallMs();
    try {
      this.#waitingSinceMs = startedAtMs;
      const identity = await withTimeout(this.#makeProvider()(), REFRESH_TIMEOUT_MS, this.#source.name);
      assertUsable(identity);
      if (identity.expiration !== undefined && identity.expiration.getTime() <= startedAtMs) {
        const at = identity.expiration.toISOString();
        throw new Error(`the credentials expired at ${at}, by the clock of this machine`);
      }
      this.#identity = identity;
      this.#failures = 0;
      this.#lastError = '';
      this.#lastRemedy = '';
      this.#metrics.refreshed('success', this.#wallMs() - startedAtMs, identity.expiration);
      this.#log.info({ expiration: identity.expiration }, 'credentials refreshed');
    } catch (error) {
      this.#failures += 1;
      this.#metrics.refreshed('failure', this.#wallMs() - startedAtMs, undefined);
      const { cause, remedy } = await this.#source.explain(error);
      this.#lastError = cause;
      this.#lastRemedy = remedy;
      this.#log.warn({ error: cause, remedy, failures: this.#failures }, 'credentials could not be refreshed');
    }
    this.#waitingSinceMs = undefined;
    this.#lastRefreshAtMs = this.#wallMs();
    this.#schedule();
  }

  #schedule(): void {
    const waitMs = this.#waitMs();
    if (this.#stopped || waitMs === undefined) return;
    this.#timer = setTimeout(() => void this.refresh(), waitMs).unref();
  }

  /** The wait until the next refresh; undefined for an identity that does not expire. */
  #waitMs(): number | undefined {
    if (this.#failures > 0) {
      const longestMs = this.tryCurrent() === undefined ? RETRY_MAX_WITHOUT_MS : RETRY_MAX_MS;
      const rangeMs = Math.min(longestMs, RETRY_MIN_MS * 2 ** Math.min(this.#failures, 10));
      return (rangeMs / 2) * (1 + this.#random());
    }
    const expiration = this.#identity?.expiration;
    if (expiration === undefined) return undefined;
    const leftMs = expiration.getTime() - this.#wallMs();
    const aheadMs = Math.min(REFRESH_AHEAD_MS, leftMs / 3) * (1 + 0.2 * this.#random());
    // setTimeout takes at most 31 bits.
    return Math.min(Math.max(RETRY_MIN_MS, leftMs - aheadMs), 2 ** 31 - 1);
  }
}

function assertUsable({ accessKeyId, secretAccessKey }: ExpiringIdentity): void {
  if (accessKeyId === '' || secretAccessKey === '') {
    throw new Error('the credentials have no access key or no secret');
  }
  for (const [what, key] of [
    ['access key', accessKeyId],
    ['secret key', secretAccessKey],
  ] as const) {
    if (/\s/.test(key)) throw new Error(`the ${what} that was given has white space in it`);
  }
}

async function withTimeout<T>(promise: Promise<T>, timeoutMs: number, source: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer from ${source} within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
