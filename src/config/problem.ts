/** A problem or a warning about one key; report.ts makes a sentence of it. */
export type KeyPath = readonly (string | number)[];

export interface Problem {
  /** The key that it is about; the sentence begins with it and with its place in the file. */
  readonly path: KeyPath;
  /** Predicate: `is missing; ...`. Never holds a secret. */
  readonly message: string;
  /** True to show the value as it stands in the file between key and predicate. */
  readonly showValue?: boolean;
}

/** The results of a check: problems stop the start, warnings are logged. */
export interface Findings {
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

/** `remote_write[0].queue_config.max_shards` */
export function formatKeyPath(path: KeyPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** Returns true if `path` is `ancestor` or below it. */
export function isWithin(path: KeyPath, ancestor: KeyPath): boolean {
  return ancestor.length <= path.length && ancestor.every((part, index) => part === path[index]);
}
