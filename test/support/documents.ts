/** The files of the checkout, and the Markdown documents among them, for the tests of the documents. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './processes.ts';

/** Not ours, or made by a command. */
const IGNORED = new Set(['.git', 'node_modules', 'build']);

export interface Document {
  /** The name from the root of the checkout. */
  readonly name: string;
  /** The targets of its links, as written: `docs/operations.md#metrics`, `#metrics`, `https://...`. */
  readonly links: readonly string[];
  /** The texts between single backticks. */
  readonly codeSpans: readonly string[];
  /** The anchors that GitHub gives its headings. */
  readonly anchors: ReadonlySet<string>;
  readonly headings: ReadonlySet<string>;
}

/** Every file and folder below the root of the checkout, from there; folders without a slash at the end. */
export function readTree(): ReadonlySet<string> {
  const found = new Set<string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(path.join(ROOT, folder), { withFileTypes: true })) {
      if (IGNORED.has(entry.name)) continue;
      const name = path.posix.join(folder, entry.name);
      found.add(name);
      if (entry.isDirectory()) walk(name);
    }
  };
  walk('');
  return found;
}

export function readDocument(name: string): Document {
  const prose = readFileSync(path.join(ROOT, name), 'utf8').replaceAll(/^( *)```[^]*?^\1```$/gm, '');
  const headings = [...prose.matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, text = '']) => text);
  return {
    name,
    links: [...prose.replaceAll(/`[^`\n]*`/g, '').matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = '']) => target),
    codeSpans: [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code),
    anchors: anchorsOf(headings),
    headings: new Set(headings),
  };
}

/**
 * Makes anchors as GitHub does: lower case, without punctuation, hyphens for spaces, `-1` for the second of one name.
 */
export function anchorsOf(headings: readonly string[]): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const heading of headings) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const name = text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
    let anchor = name;
    for (let again = 1; anchors.has(anchor); again += 1) anchor = `${name}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}
