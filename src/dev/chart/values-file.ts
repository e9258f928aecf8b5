/**
 * Reads values.yaml with its comments: each documented key with its path, its description, its default, and what a line
 * `@schema {...}` adds to the type that the default tells.
 */
import { parse } from 'yaml';

export interface DocumentedValue {
  readonly path: readonly string[];
  readonly description: string;
  readonly extraSchema: Readonly<Record<string, unknown>>;
  readonly preset: unknown;
}

const COMMENT = /^ *# ?(.*)$/;
const KEY = /^( *)([A-Za-z]\w*):/;
const EXTRA = /^@schema (\{.*\})$/;
const INDENT = 2;

/**
 * Returns the keys in the order of the file. @throws Error if a comment precedes no key, or @schema holds no JSON
 * object
 */
export function readValuesFile(text: string): DocumentedValue[] {
  const presets: unknown = parse(text);
  const found: DocumentedValue[] = [];
  const path: string[] = [];
  let comment: string[] = [];
  for (const line of text.split('\n')) {
    const said = COMMENT.exec(line)?.[1];
    if (said !== undefined) {
      comment.push(said);
      continue;
    }
    const [, indent = '', key] = KEY.exec(line) ?? [];
    if (key !== undefined) {
      path.length = indent.length / INDENT;
      path.push(key);
      if (comment.length > 0) found.push(documented([...path], comment, valueAt(presets, path)));
    }
    comment = [];
  }
  return found;
}

function documented(path: string[], comment: readonly string[], preset: unknown): DocumentedValue {
  const extra = comment.map((line) => EXTRA.exec(line)?.[1]).find((json) => json !== undefined);
  const extraSchema: unknown = extra === undefined ? {} : JSON.parse(extra);
  if (!isSection(extraSchema)) throw new Error(`@schema of ${path.join('.')} is not an object`);
  const description = comment.filter((line) => !line.startsWith('@schema')).join(' ');
  return { path, description, extraSchema, preset };
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const key of path) current = isSection(current) ? current[key] : undefined;
  return current;
}

export function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
