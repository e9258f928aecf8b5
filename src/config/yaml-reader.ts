/**
 * Parses YAML text into a tree of text, with the place of every key and the environment filled in.
 *
 * YAML's guesses at types are left out on purpose (its failsafe schema): the key's schema decides whether `0012` is a
 * number. A key without a value, with `null` or with an empty text counts as not given, and so does an empty section;
 * `role_arn: ${ROLE_ARN:-}` thus means no role.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Scalar, type YAMLParseError } from 'yaml';

import { type Environment, expandEnvironment } from './environment.ts';
import type { KeyPath, Problem } from './problem.ts';

export type YamlTree = string | YamlTree[] | YamlMap;
export interface YamlMap {
  [key: string]: YamlTree;
}

export interface Place {
  readonly line: number;
  readonly column: number;
  /** A scalar's text before the environment was filled in; undefined for lists and sections. */
  readonly source: string | undefined;
  readonly fromEnvironment: boolean;
}

/** The place of each given key, by keyOf(path). */
export type Places = ReadonlyMap<string, Place>;

export interface YamlReading {
  /** Undefined if the text is not YAML, or not one section. */
  readonly tree: YamlMap | undefined;
  readonly places: Places;
  /** Keys that stand in the file but count as not given. */
  readonly absent: readonly KeyPath[];
  readonly problems: readonly Problem[];
  /** Sentences about text that is not YAML, each with its place. */
  readonly syntaxErrors: readonly string[];
}

/** Aliases can repeat a node many times over, while a configuration has a few dozen keys. */
const MOST_NODES = 10_000;

/** The deepest key is remote_write[0].queue_config.max_shards; an alias to a section around it has no end. */
const DEEPEST = 20;

/** Makes a path usable as the key of a Map. */
export function keyOf(path: KeyPath): string {
  return JSON.stringify(path);
}

export function readYaml(text: string, env: Environment, fileName: string): YamlReading {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { schema: 'failsafe', prettyErrors: false, lineCounter, logLevel: 'error' });
  const places = new Map<string, Place>();
  const problems: Problem[] = [];
  const absent: KeyPath[] = [];
  let nodes = 0;

  if (document.errors.length > 0) {
    const syntaxErrors = [syntaxSentence(document.errors, text, lineCounter, fileName)];
    return { tree: undefined, places, absent, problems, syntaxErrors };
  }

  const read = (node: unknown, path: KeyPath): YamlTree | undefined => {
    nodes += path.length > DEEPEST ? MOST_NODES + 1 : 1;
    if (nodes > MOST_NODES) return undefined;
    if (isAlias(node)) return read(node.resolve(document), path);
    if (isMap(node)) return readMap(node.items, path);
    if (isSeq(node)) {
      // An empty entry stays an entry, so that the one after it keeps its number.
      const items = node.items.map((item, index) => {
        record(item, undefined, [...path, index]);
        return read(item, [...path, index]) ?? {};
      });
      return items.length === 0 ? undefined : items;
    }
    if (!isScalar(node)) return undefined;
    const source = textOf(node);
    if (node.type === 'PLAIN' && /^(?:|~|null|Null|NULL)$/.test(source)) return undefined;
    const expansion = expandEnvironment(source, env);
    for (const message of expansion.problems) problems.push({ path, message });
    return expansion.text === '' ? undefined : expansion.text;
  };

  const readMap = (pairs: readonly { key: unknown; value: unknown }[], path: KeyPath): YamlMap | undefined => {
    const entries: [string, YamlTree][] = [];
    for (const { key, value } of pairs) {
      if (!isScalar(key)) {
        problems.push({ path, message: 'has a key that is a list or a section; keys are plain words' });
        continue;
      }
      const name = textOf(key);
      const target = isAlias(value) ? value.resolve(document) : value;
      record(key, target, [...path, name]);
      const tree = read(value, [...path, name]);
      if (tree === undefined) absent.push([...path, name]);
      else entries.push([name, tree]);
    }
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  };

  const record = (at: unknown, value: unknown, path: KeyPath): void => {
    if (typeof at !== 'object' || at === null || !('range' in at) || !Array.isArray(at.range)) return;
    const { line, col } = lineCounter.linePos(Number(at.range[0]));
    const source = isScalar(value) ? textOf(value) : undefined;
    const fromEnvironment = source !== undefined && expandEnvironment(source, env).expanded;
    places.set(keyOf(path), { line, column: col, source, fromEnvironment });
  };

  const root = document.contents;
  const tree = root === null ? {} : (read(root, []) ?? {});
  if (nodes > MOST_NODES) {
    return {
      tree: undefined,
      places,
      absent,
      problems,
      syntaxErrors: [`${fileName}: has more than ${MOST_NODES} values; repeat fewer aliases`],
    };
  }
  if (typeof tree === 'string' || Array.isArray(tree)) {
    const sentence = `${fileName}: is not a section of keys; begin with server:, limits:, remote_write: or log:`;
    return { tree: undefined, places, absent, problems, syntaxErrors: [sentence] };
  }
  return { tree, places, absent, problems, syntaxErrors: [] };
}

/** Reports the first error only, since later errors mostly follow from it. */
function syntaxSentence(
  errors: readonly YAMLParseError[],
  text: string,
  lineCounter: LineCounter,
  fileName: string,
): string {
  const [error] = errors;
  if (error === undefined) return `${fileName}: this is not YAML`;
  const { line, col } = lineCounter.linePos(error.pos[0]);
  const where = `${fileName}:${line}:${col}`;
  if (error.code === 'MULTIPLE_DOCS') return `${where}: a second YAML document begins here; keep one in the file`;
  const hasVariable = text.split('\n')[line - 1]?.includes('${') === true;
  const hint = hasVariable ? '; put quotes around a ${VAR} that stands between { } or [ ]' : '';
  return `${where}: this is not YAML: ${error.message.replace(/\.$/, '')}${hint}`;
}

/** The failsafe schema turns every scalar into text. */
function textOf(scalar: Scalar): string {
  return typeof scalar.value === 'string' ? scalar.value : '';
}
