/** The result of one of the doctor's checks, in words, which never contain a key, a token or a signature. */

export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped';

export interface CheckResult {
  /** The name of the check, in a word or two: `credentials`. */
  readonly name: string;
  readonly status: CheckStatus;
  readonly message: string;
  /** The remedy; every result that is not ok has one. */
  readonly remedy?: string;
}

export function ok(name: string, message: string): CheckResult {
  return { name, status: 'ok', message };
}

export function warning(name: string, message: string, remedy: string): CheckResult {
  return { name, status: 'warning', message, remedy };
}

export function failed(name: string, message: string, remedy: string): CheckResult {
  return { name, status: 'failed', message, remedy };
}

export function skipped(name: string, message: string): CheckResult {
  return { name, status: 'skipped', message };
}
