/**
 * The upstream's clock, as far as it is known. AWS refuses a signature whose time is more than 5 minutes off
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html), so after a refusal the
 * `Date` header of the answer tells by how much this machine's clock is wrong.
 */

/** `Date` has whole seconds and the answer took its way, so less than this is not known to be wrong. */
const NOTICEABLE_MS = 5_000;

export class UpstreamClock {
  readonly #wallMs: () => number;
  #skewMs = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** How far the upstream's clock is ahead of ours, in ms. */
  get skewMs(): number {
    return this.#skewMs;
  }

  now(): Date {
    return new Date(this.#wallMs() + this.#skewMs);
  }

  /**
   * Takes over the time of an answer that refused a signature.
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
