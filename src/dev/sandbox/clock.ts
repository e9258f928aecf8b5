/** The sandbox's own clock: the machine's, moved by an offset that a test sets. All sandbox times come from it. */
export class SandboxClock {
  offsetMs = 0;

  /** Milliseconds since the epoch. */
  nowMs(): number {
    return Date.now() + this.offsetMs;
  }

  nowSeconds(): number {
    return Math.floor(this.nowMs() / 1000);
  }
}

/** `20250131T235959Z`, the form of X-Amz-Date. */
export function formatAmzDate(epochMs: number): string {
  return new Date(epochMs)
    .toISOString()
    .replace(/\.\d{3}/u, '')
    .replaceAll(/[-:]/gu, '');
}

/** Milliseconds since the epoch, or undefined when `text` is not in the form of X-Amz-Date. */
export function parseAmzDate(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/u.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const epochMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(epochMs) ? undefined : epochMs;
}
