/** Measures the steps of a piece of work by the clock, without the time that other processes on the machine take. */
import type { Steps } from '../../src/platform/steps.ts';

/** The system counts a thread's time by so much. */
const TICK_US = 4_000;

export class StepTimes {
  /** Microseconds. */
  longestUs = 0;
  totalUs = 0;
  steps = 0;

  /** Takes all steps. What the work throws is thrown. */
  run<T>(work: Steps<T>): T {
    for (;;) {
      const before = process.threadCpuUsage();
      const startedAtMs = performance.now();
      let step;
      try {
        step = work.next();
      } finally {
        const { user, system } = process.threadCpuUsage(before);
        const us = Math.min(Math.round((performance.now() - startedAtMs) * 1000), user + system + TICK_US);
        this.longestUs = Math.max(this.longestUs, us);
        this.totalUs += us;
        this.steps += 1;
      }
      if (step.done === true) return step.value;
    }
  }
}
