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
  const pool = new RowPool(rows, values.capacity === undefined ? undefined : Number(values.capacity));
  process.stdout.write(`${rows.length} rows\n${tableHead()}\n`);
  let failed = 0;
  const all = [...baselinesOf(rows), ...rows];
  await Promise.all(
    all.map(async (row) => {
      const line = await pool.figuresOf(row).then(
        (figures) => {
          if (figures.failures.length > 0) failed += 1;
          return tableLine(figures);
        },
        (error: unknown) => {
          failed += 1;
          return `${row.name} could not be played: ${String(error).slice(0, 400)}`;
        },
      );
      process.stdout.write(`${line}\n`);
    }),
  );
  process.stdout.write(`rows=${all.length} failed=${failed}\n`);
  return failed === 0 ? 0 : 1;
}

function select(all: boolean, pattern: string | undefined): readonly Row[] {
  if (pattern === undefined) return all ? ALL_ROWS : PAIRWISE_ROWS;
  const expression = new RegExp(pattern);
  return ALL_ROWS.filter(({ name }) => expression.test(name));
}

process.exitCode = await main(process.argv.slice(2));
