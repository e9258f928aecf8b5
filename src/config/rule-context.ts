/** What the rules on several keys are given, and how they speak. */
import type { Environment } from './environment.ts';
import type { KeyPath, Problem } from './problem.ts';

export interface RuleContext {
  readonly env: Environment;
  /** Host names and addresses under which this machine is reached. */
  readonly ownNames: readonly string[];
  /** False where the value is the default: a message then says so. */
  readonly isGiven: (path: KeyPath) => boolean;
  /** False where the key's own value was refused: rules on it would speak of a value nobody wrote. */
  readonly isSound: (path: KeyPath) => boolean;
}

/** Puts a problem where all its keys are sound, naming each with its value. */
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

/** `25s`, or `25s (the default)`. */
export function quoted(value: string | number, path: KeyPath, context: RuleContext): string {
  return context.isGiven(path) ? String(value) : `${value} (the default)`;
}
