/** What a check of the doctor finds. Words only: a key, a token or a signature is never in them. */

export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped';

export interface CheckResult {
  /** In a word or two: `credentials`. */
  readonly name: string;
  readonly status: CheckStatus;
  readonly message: string;
  /** What to do; of everything that is not ok. */
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
