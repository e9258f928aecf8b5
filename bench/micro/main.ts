/**
 * All micro-benches, one after another, each in a process of its own.
 *
 *     npm run bench:micro [-- seconds for each figure]
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describeMachine } from '../rig/machine.ts';

const BENCHES = ['kernel', 'join', 'cut', 'sign', 'queue', 'post'];

const { cpu, cores, kernel, node } = describeMachine();
console.log(`${cpu}, ${cores} cores, ${kernel}, Node ${node}`);
for (const name of BENCHES) {
  console.log(`\n== ${name} ==`);
  const file = path.join(import.meta.dirname, `${name}.ts`);
  const { status } = spawnSync(process.execPath, [file, ...process.argv.slice(2)], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
