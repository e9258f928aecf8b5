/** The input of the rules on several keys, and the wording of their messages. */
import type { Environment } from './environment.ts';
import type { KeyPath, Problem } from './problem.ts';

export interface RuleContext {
  readonly env: Environment;
  /** The host names and addresses that lead to this machine. */
  readonly ownNames: readonly string[];
  /** Returns false if the value is the default; messages then say so. */
  readonly isGiven: (path: KeyPath) => boolean;
  /** Returns false if the key's own value was refused: a rule would then speak of a value nobody wrote. */
  readonly isSound: (path: KeyPath) => boolean;
}

/** Reports a problem if all its keys are sound, naming each with its value. */
export function refuseWhere(
  broken: boolean,
  paths: readonly KeyPath[],
  context: RuleContext,
  into: Problem[],
  message: () => string,
): void {
  const [path] = paths;
  if (!broken || path === undefined || !paths.every((each) => context.isSound(each))) return;
  into.push({ path, message: message() });
}

/** Returns `25s`, or `25s (the default)`. */
export function quoted(value: string | number, path: KeyPath, context: RuleContext): string {
  return context.isGiven(path) ? String(value) : `${value} (the default)`;
}
