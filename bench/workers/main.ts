// npm run bench:workers: what a second worker brings. On a machine whose cores load and sink need too, two workers
// cannot have two cores of their own; so each gets the same share of a core, and there is enough left for the rest.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { prepareBodies } from '../bodies/bodies.ts';
import { writeBodyFile } from '../bodies/body-file.ts';
import { CpuQuota } from './cpu-quota.ts';
import { positive } from '../rig/flags.ts';
import { describeMachine } from '../rig/machine.ts';
import { measureRun, WARM_UP_MS, type Run } from '../rig/measure.ts';
import { descendants } from '../rig/proc-stat.ts';
import { proxyUnderTest } from '../rig/proxy-under-test.ts';
import { ROWS } from '../rig/rows.ts';
import { runInDirectory } from '../rig/run-in-directory.ts';
import { median } from '../figures/summary.ts';
import type { Tool } from '../rig/tool.ts';

const USAGE = `npm run bench:workers -- [flags]
  --workers N   how many beside one (2)
  --cores N     share of a core for each worker (0.3)
  --seconds N   measure each run for N seconds (4)
  --reps N      interleaved repetitions, of which the last line shows the median (5)
`;

/** Enough that a worker has work whenever it may run. */
const CONNECTIONS = 64;
const root = path.resolve(import.meta.dirname, '..', '..');

/** The proxy with each process that has a pipeline limited; the primary, which has none, is not. */
function limited(workers: number, cores: number, quota: CpuQuota): Tool {
  const tool = proxyUnderTest(root, 'amp-write-proxy', workers);
  return {
    ...tool,
    async start(upstream) {
      const running = await tool.start(upstream);
      const { pid } = running.program;
      try {
        for (const worker of workers === 1 ? [pid] : descendants(pid)) quota.limit(worker, cores);
      } catch (error) {
        await running.program.stop();
        throw error;
      }
      return running;
    },
  };
}

async function main(directory: string): Promise<void> {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string' },
      cores: { type: 'string' },
      seconds: { type: 'string' },
      reps: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const workers = Math.ceil(positive('--workers', values.workers, 2));
  const cores = positive('--cores', values.cores, 0.3);
  const measureMs = positive('--seconds', values.seconds, 4) * 1000;
  const repetitions = Math.ceil(positive('--reps', values.reps, 5));
  const base = ROWS.find(({ name }) => name === '500');
  if (base === undefined) throw new Error('there is no row 500');
  const row = { ...base, connections: CONNECTIONS };
  const bodyFile = path.join(directory, 'bodies');
  writeBodyFile(bodyFile, prepareBodies(row, Date.now()));

  const { cpu, cores: machineCores, node } = describeMachine();
  console.log(`${cpu}, ${machineCores} cores, node ${node}; 500 samples a request, ${CONNECTIONS} connections`);
  const quota = new CpuQuota();
  const measure = async (count: number): Promise<Run> => {
    try {
      const timing = { warmUpMs: WARM_UP_MS, measureMs };
      const run = await measureRun(row, limited(count, cores, quota), bodyFile, undefined, timing, directory);
      const used = (run.tool?.cpuSeconds ?? 0) / run.seconds;
      console.log(
        `${count} x ${cores} cores: ${(run.samplesPerSecond / 1e6).toFixed(2)} M samples/s, ${used.toFixed(2)} cores used; ` +
          `load ${run.loadCpuShare.toFixed(2)}, sink ${run.sinkCpuShare.toFixed(2)}, others ${run.otherCores.toFixed(2)}`,
      );
      return run;
    } finally {
      quota.release();
    }
  };
  const ratios: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const one = await measure(1);
    const many = await measure(workers);
    ratios.push(many.samplesPerSecond / one.samplesPerSecond);
  }
  console.log(
    `${workers} workers do ${median(ratios).toFixed(2)} times what one does ` +
      `(${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})`,
  );
}

await runInDirectory('workers', main);
