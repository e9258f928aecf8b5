/**
 * `npm run soak -- --minutes N [--seed N]`: five senders, two of them a highly available pair, write through a proxy that
 * is killed, cut off, refused, lied to and restarted at random. Exit status 0 when nothing acknowledged is missing, the
 * order is kept and memory is flat. The last line is
 *
 *     acknowledged=<n> missing=<n> disordered=<n> peak1=<MB> peak2=<MB> seed=<n>
 *
 * with the peak of resident memory in the first and in the second half.
 */
import { parseArgs } from 'node:util';
import { Exposition } from '../support/exposition.ts';
import { sleep, until } from '../support/processes.ts';
import { readLedger } from '../support/proxy.ts';
import { LedgerSender, type SenderOptions } from '../support/sending.ts';
import { choose } from './mischief.ts';
import { Random } from './random.ts';
import { SoakLedger } from './soak-ledger.ts';
import { Stage } from './stage.ts';

const USAGE = 'Usage: npm run soak -- --minutes N [--seed N]\n';
const SERIES = 20;
const PACE_MS = 25;
const PROGRESS_MS = 10_000;
/** delivery_timeout is 2.5 s. */
const MAX_ANSWER_MS = 5_000;
/** The second half's peak over the first's. */
const MAX_GROWTH = 1.25;
/** 400 is what one of them earns. */
const MAY_BE_TOLD: ReadonlySet<number> = new Set([0, 204, 400, 503]);

const SENDERS: readonly SenderOptions[] = [
  { name: 'pair-a', labels: { cluster: 'eks-ha', __replica__: 'a' }, localAddress: '127.0.0.21' },
  { name: 'pair-b', labels: { cluster: 'eks-ha', __replica__: 'b' }, localAddress: '127.0.0.22' },
  { name: 'plain-1', localAddress: '127.0.0.23' },
  { name: 'plain-2', localAddress: '127.0.0.24' },
  { name: 'plain-3', localAddress: '127.0.0.25' },
];

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { minutes, seed } = options;
  print(`soak of ${minutes} min, seed ${seed}`);
  const stage = await Stage.open();
  const senders = SENDERS.map((sender) => new LedgerSender(stage.writeUrl, sender));
  const ledger = new SoakLedger();
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + minutes * 60_000;
  const isOver = (): boolean => performance.now() >= endsAtMs;
  const peaks: [number, number] = [0, 0];
  const watch = setInterval(() => {
    const half = performance.now() < (startedAtMs + endsAtMs) / 2 ? 0 : 1;
    peaks[half] = Math.max(peaks[half], stage.residentBytes());
  }, 100);
  const progress = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAtMs) / 1000);
    const told = [...ledger.statuses].toSorted(([a], [b]) => a - b).map(([status, count]) => `${status}:${count}`);
    print(`${seconds} s: acknowledged=${ledger.acknowledged} answers ${told.join(' ')} restarts=${stage.restarts}`);
  }, PROGRESS_MS);

  const sending = Promise.all(senders.map(async (sender) => sendUntil(sender, ledger, isOver)));
  await doMischief(stage, new Random(seed), isOver);
  await sending;
  clearInterval(progress);
  const problems = await expectFlow(stage, senders, ledger);
  clearInterval(watch);
  const verdict = await ledger.judge(stage.client);
  await stage.close();
  for (const sender of senders) sender.close();

  problems.push(...stage.problems);
  for (const status of ledger.statuses.keys()) {
    if (!MAY_BE_TOLD.has(status)) problems.push(`a sender was told ${status}`);
  }
  if (ledger.slowestMs > MAX_ANSWER_MS) problems.push(`an answer took ${Math.round(ledger.slowestMs)} ms`);
  const { acknowledged, missing, disordered } = verdict;
  if (acknowledged === 0) problems.push('nothing was acknowledged');
  if (missing > 0 || disordered > 0) problems.push(`${missing} samples are missing, ${disordered} out of order`);
  if (peaks[1] > peaks[0] * MAX_GROWTH)
    problems.push(`memory grew from ${megabytes(peaks[0])} to ${megabytes(peaks[1])} MB`);
  for (const problem of problems) print(`FAILED: ${problem}`);
  print(
    `acknowledged=${acknowledged} missing=${missing} disordered=${disordered} ` +
      `peak1=${megabytes(peaks[0])} peak2=${megabytes(peaks[1])} seed=${seed}`,
  );
  return problems.length === 0 ? 0 : 1;
}

function readOptions(args: string[]): { minutes: number; seed: number } | undefined {
  try {
    const { values } = parseArgs({ args, options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
    const minutes = Number(values.minutes ?? 1);
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6));
    return minutes > 0 && Number.isSafeInteger(seed) ? { minutes, seed } : undefined;
  } catch {
    return undefined;
  }
}

/** Like Prometheus, it sends the next samples only after the last were accepted, or refused for good. */
async function sendUntil(sender: LedgerSender, ledger: SoakLedger, isOver: () => boolean): Promise<void> {
  let timestampMs = Date.now();
  while (!isOver()) {
    timestampMs = Math.max(timestampMs + 1, Date.now());
    await sender.deliver(sender.makeSample(SERIES, timestampMs), isOver);
    ledger.absorb(sender);
    await sleep(PACE_MS);
  }
}

async function doMischief(stage: Stage, random: Random, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const { name, play } = choose(random);
    print(`  ${name}`);
    await play(stage, random);
    await stage.client.clearFaults();
    await sleep(random.between(100, 1_000));
  }
  await stage.client.clearFaults();
  await stage.moveClock(0);
}

/** The faults have ended: fresh samples of every sender are taken, and the proxy's own ledger is balanced. */
async function expectFlow(stage: Stage, senders: readonly LedgerSender[], ledger: SoakLedger): Promise<string[]> {
  const problems: string[] = [];
  await Promise.all(
    senders.map(async (sender) => {
      const giveUpAtMs = performance.now() + 20_000;
      const { status, text } = await sender.deliver(
        sender.makeSample(SERIES, Date.now()),
        () => performance.now() > giveUpAtMs,
      );
      if (status !== 204) problems.push(`a fresh sample of ${sender.name} was told ${status} ${text}`);
      ledger.absorb(sender);
    }),
  );
  const read = async (): Promise<ReturnType<typeof readLedger>> => readLedger(new Exposition(await stage.metrics()));
  try {
    await until('nothing is pending', async () => (await read()).pending === 0);
    const { received, delivered, rejected, refused, pending } = await read();
    if (received !== delivered + rejected + refused + pending) {
      problems.push(`the ledger is not balanced: ${JSON.stringify(await read())}`);
    }
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  return problems;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
