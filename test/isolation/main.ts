/**
 * `npm run poison [-- --all | --rows PATTERN] [--capacity N]`: plays the table of poison and prints what good senders and
 * culprits were told. Without a flag: the rows of CI. Exit status 1 when a row falls short.
 */
import { parseArgs } from 'node:util';
import { RowPool } from './pool.ts';
import { ALL_ROWS, baselinesOf, PAIRWISE_ROWS, type Row } from './rows.ts';
import { tableHead, tableLine } from './table.ts';

const USAGE = 'Usage: npm run poison [-- --all | --rows PATTERN] [--capacity N]\n';

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      all: { type: 'boolean' },
      rows: { type: 'string' },
      capacity: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const rows = select(values.all === true, values.rows);
  if (rows.length === 0) {
    process.stderr.write(`no row matches ${values.rows}\n${USAGE}`);
    return 2;
  }
  const capacity = values.capacity === undefined ? undefined : Number(values.capacity);
  process.stdout.write(`${rows.length} rows\n${tableHead()}\n`);
  const all = [...baselinesOf(rows), ...rows];
  const suspects = await play(all, capacity);
  // Rows are judged by their latencies, on a machine that others may use: what fails is played once more, with less beside it.
  const again = suspects.length === 0 ? [] : [...new Set([...baselinesOf(suspects), ...suspects])];
  if (again.length > 0) process.stdout.write(`once more: ${again.length} rows\n`);
  const failed = await play(again, capacity);
  process.stdout.write(`rows=${all.length} failed=${failed.length}\n`);
  return failed.length === 0 ? 0 : 1;
}

/** Plays rows side by side and prints what came of each; gives back those that fall short. */
async function play(rows: readonly Row[], capacity: number | undefined): Promise<readonly Row[]> {
  const pool = new RowPool(rows, capacity);
  const short: Row[] = [];
  await Promise.all(
    rows.map(async (row) => {
      const line = await pool.figuresOf(row).then(
        (figures) => {
          if (figures.failures.length > 0) short.push(row);
          return tableLine(figures);
        },
        (error: unknown) => {
          short.push(row);
          return `${row.name} could not be played: ${String(error).slice(0, 400)}`;
        },
      );
      process.stdout.write(`${line}\n`);
    }),
  );
  return short;
}

function select(all: boolean, pattern: string | undefined): readonly Row[] {
  if (pattern === undefined) return all ? ALL_ROWS : PAIRWISE_ROWS;
  const expression = new RegExp(pattern);
  return ALL_ROWS.filter(({ name }) => expression.test(name));
}

process.exitCode = await main(process.argv.slice(2));
