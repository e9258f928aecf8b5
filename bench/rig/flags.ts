// The flags of a bench's command line.

/** The number that a flag was given, or else `otherwise`. */
export function positive(flag: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value > 0 && value <= 600)) throw new Error(`${flag} ${text}: give a number above 0 and up to 600`);
  return value;
}

/** Returns the command for the same run, wherever its results go. */
export function commandLine(script: string): string {
  const flags = process.argv
    .slice(2)
    .join(' ')
    .replace(/ ?--out[= ]\S+/, '')
    .trim();
  return flags === '' ? `npm run ${script}` : `npm run ${script} -- ${flags}`;
}
