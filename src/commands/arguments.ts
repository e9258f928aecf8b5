/** The first step of every command: parses its arguments, and answers `--help` and wrong usage. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>['values'];

/**
 * The values, or the exit status to end with: 0 after `--help` (usage on standard output), 2 for wrong usage (what is
 * wrong and the usage on standard error). Positional arguments are wrong usage.
 */
export function parseCommandLine<O extends Options>(args: string[], options: O, usage: string): Values<O> | number {
  let values: Values<O>;
  try {
    ({ values } = parseArgs({ args, options }));
  } catch (error) {
    return wrongUsage(error instanceof Error ? error.message : String(error), usage);
  }
  if ('help' in values && values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  return values;
}

/** @returns the exit status for wrong usage */
export function wrongUsage(message: string, usage: string): 2 {
  process.stderr.write(`${message}\n\n${usage}`);
  return 2;
}
