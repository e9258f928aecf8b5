// node .ci/skips.ts REPORT [NAME...]: lists the tests that a report of vitest (JSON) says were skipped. Its exit status is
// 1 when one of them lacks something that is not among the names, which .ci/run gives with its reason.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describeSkips, groupByNeed } from '../test/support/skipped.ts';

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const [file = '', ...allowed] = process.argv.slice(2);
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what vitest's JSON reporter writes
const { testResults } = JSON.parse(readFileSync(file, 'utf8')) as Report;
const root = path.resolve(import.meta.dirname, '..');
const skipped = testResults.flatMap(({ name, assertionResults }) =>
  assertionResults
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
    .map(() => path.relative(root, name)),
);
const groups = groupByNeed(skipped);
const refused = groups.filter(({ need }) => !allowed.includes(need.name));
const permitted = groups.filter(({ need }) => allowed.includes(need.name));
if (permitted.length > 0) process.stdout.write(`skipped, and allowed here:\n${describeSkips(permitted)}\n`);
if (refused.length > 0) process.stderr.write(`skipped, and not allowed:\n${describeSkips(refused)}\n`);
process.exitCode = refused.length > 0 ? 1 : 0;
