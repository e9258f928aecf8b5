/**
 * The upstream's clock, as far as it is known. AWS rejects a signature whose time is more than 5 minutes off
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html), so after a rejection the
 * `Date` header of the answer tells how far this machine's clock is off.
 */

/** `Date` has whole seconds and the answer took time to arrive, so a smaller difference proves nothing. */
const NOTICEABLE_MS = 5_000;

export class UpstreamClock {
  readonly #wallMs: () => number;
  #skewMs = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** The time by which the upstream's clock is ahead of ours, in ms. */
  get skewMs(): number {
    return this.#skewMs;
  }

  now(): Date {
    return new Date(this.#wallMs() + this.#skewMs);
  }

  /**
   * Adopts the time of an answer that rejected a signature.
   * @param date the `Date` header
   * @returns whether the correction changed
   */
  correct(date: string | undefined): boolean {
    const upstreamMs = date === undefined ? Number.NaN : Date.parse(date);
    if (Number.isNaN(upstreamMs)) return false;
    const offMs = upstreamMs - this.#wallMs();
    const skewMs = Math.abs(offMs) < NOTICEABLE_MS ? 0 : offMs;
    if (Math.abs(skewMs - this.#skewMs) < NOTICEABLE_MS) return false;
    this.#skewMs = skewMs;
    return true;
  }
}
