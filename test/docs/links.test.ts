/** The documents lead somewhere: their links, the paths that they name, and the documents that the code names. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorsOf, type Document, readDocument, readTree } from '../support/documents.ts';
import { ROOT } from '../support/processes.ts';

/** Paths that documents may name though they do not exist, and why. */
const MISSING: Readonly<Record<string, string>> = {};

/** The beginning of a path in backticks; other code with a slash is not a path of this checkout. */
const PATH = /^(?:src|test|bench|charts|docs|proto)\/[\w./-]*$/;
/** Documents of which a part is a record of how things were. */
const HISTORY = new Set(['CHANGELOG.md']);
/** Files whose text may name documents. */
const TEXT = /\.(?:ts|js|md|tpl|yaml|yml|txt|html|css)$|(?:^|\/)(?:Dockerfile|run)$/;

const tree = readTree();
const documents = [...tree].filter((name) => name.endsWith('.md') && !HISTORY.has(name)).map(readDocument);

/** Returns true if the checkout has this file or folder. A folder may be written with a slash at its end. */
function exists(name: string): boolean {
  return tree.has(name.replace(/\/$/, ''));
}

function isKnownMissing(name: string): boolean {
  return Object.hasOwn(MISSING, name.replace(/\/$/, ''));
}

test('the tests of links look at every document that a reader starts from', () => {
  const names = documents.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      'README.md',
      'CONTRIBUTING.md',
      'docs/architecture.md',
      'docs/bootstrap.md',
      'docs/configuration.md',
      'docs/operations.md',
      'docs/performance.md',
      'charts/amp-write-proxy/README.md',
      'charts/amp-write-proxy/RUNBOOK.md',
    ]),
  );
});

test('every relative link and anchor of a document leads to something that exists', () => {
  expect(documents.flatMap(brokenLinks)).toEqual([]);
});

test('every path that a document names in backticks exists', () => {
  const missing = documents.flatMap(({ name, codeSpans }) =>
    codeSpans
      .filter((code) => PATH.test(code) && !exists(code) && !isKnownMissing(code))
      .map((code) => `${name}: ${code}`),
  );
  expect(missing).toEqual([]);
});

test('every folder of src/ that CONTRIBUTING.md describes exists', () => {
  const text = readFileSync(path.join(ROOT, 'CONTRIBUTING.md'), 'utf8');
  const folders = [...text.matchAll(/^ {4}([a-z]+)\/ {2,}\S/gm)].map(([, folder = '']) => `src/${folder}`);
  expect(folders.length).toBeGreaterThan(10);
  expect(folders.filter((folder) => !exists(folder) && !isKnownMissing(folder))).toEqual([]);
});

test('no path that is listed as missing exists by now', () => {
  expect(Object.keys(MISSING).filter(exists)).toEqual([]);
});

test('every picture in docs/ is shown by a document', () => {
  const shown = new Set(documents.flatMap(({ name, links }) => links.map((link) => resolve(name, link))));
  expect([...tree].filter((name) => /^docs\/.*\.(?:png|svg)$/.test(name) && !shown.has(name))).toEqual([]);
});

describe('the code', () => {
  const texts = [...tree]
    .filter((name) => TEXT.test(name) && name !== 'test/docs/links.test.ts' && !name.startsWith('test/fixtures/'))
    .map((name) => ({ name, text: readFileSync(path.join(ROOT, name), 'utf8') }));

  test('names only documents in docs/ that exist, and sections that they have', () => {
    const wrong = texts.flatMap(({ name, text }) =>
      [...text.matchAll(/(?<![\w./])docs\/[\w-]+\.md(?:, "([^"]+)")?/g)]
        .filter(([reference, section]) => !isThere(reference.split(',', 1)[0] ?? '', section))
        .map(([reference]) => `${name}: ${reference}`),
    );
    expect(wrong).toEqual([]);
  });

  test('names only files in its comments that exist', () => {
    const ends = new Set([...tree].flatMap((name) => name.split('/').map((_, at, parts) => parts.slice(at).join('/'))));
    const wrong = texts
      .filter(({ name }) => name.endsWith('.ts'))
      .flatMap(({ name, text }) => filesNamedInComments(text).map((file) => ({ name, file })))
      .filter(({ file }) => !ends.has(file));
    expect(wrong.map(({ name, file }) => `${name}: ${file}`)).toEqual([]);
  });

  test('refers to no document outside of the repository', () => {
    const outside = texts.filter(({ text }) =>
      /\b(?:DESIGN|HOUSE|STYLE)\.md\b|\bDESIGN, section|section \d+ of the design|\bIssue \d/.test(text),
    );
    expect(outside.map(({ name }) => name)).toEqual([]);
  });
});

test('anchors are made from headings as GitHub makes them', () => {
  // The expected ones are GitHub's own: https://docs.github.com/en/get-started/writing-on-github (section links).
  expect([...anchorsOf(["What's `it`, really?", 'This-heading (2.0)', 'Same', 'Same', 'a [link](b.md)'])]).toEqual([
    'whats-it-really',
    'this-heading-20',
    'same',
    'same-1',
    'a-link',
  ]);
});

/** TypeScript files, as written: `batch/split.ts`, `split.ts`. */
function filesNamedInComments(text: string): string[] {
  const comments = [...text.matchAll(/(?:^|\s)\/\/ .*|\/\*[^]*?\*\//g)].map(([comment]) => comment);
  return comments
    .flatMap((comment) => [...comment.matchAll(/(?<![\w./*-])[\w-]+(?:[./][\w-]+)*\.ts\b/g)])
    .map(([file]) => file);
}

function brokenLinks(document: Document): string[] {
  return document.links.filter((link) => !leadsSomewhere(document, link)).map((link) => `${document.name}: ${link}`);
}

function leadsSomewhere(document: Document, link: string): boolean {
  if (/^(?:https?|mailto):/.test(link)) return true;
  const anchor = link.split('#')[1];
  const target = resolve(document.name, link);
  if (!exists(target)) return false;
  if (anchor === undefined) return true;
  return target.endsWith('.md') && readDocument(target).anchors.has(anchor);
}

/** The file that a link of the document points to, from the root of the checkout. */
function resolve(document: string, link: string): string {
  const [file = ''] = link.split('#', 1);
  return file === '' ? document : path.posix.join(path.posix.dirname(document), file);
}

function isThere(document: string, section: string | undefined): boolean {
  return exists(document) && (section === undefined || readDocument(document).headings.has(section));
}
