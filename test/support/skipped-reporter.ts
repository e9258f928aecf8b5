/** Ends the report of a run with a list of the tests that were skipped and with what brings each. */
import path from 'node:path';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { describeSkips, groupByNeed } from './skipped.ts';

export class SkippedReporter implements Reporter {
  #selectsByName = false;

  onInit(vitest: Vitest): void {
    this.#selectsByName = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // Tests that `-t` leaves out are skipped too, and lack nothing.
    if (this.#selectsByName) return;
    const files = modules.flatMap((module) =>
      Array.from(module.children.allTests('skipped'), () => path.relative(process.cwd(), module.moduleId)),
    );
    if (files.length > 0) process.stdout.write(`\nSkipped:\n${describeSkips(groupByNeed(files))}\n\n`);
  }
}
