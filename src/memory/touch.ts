/**
 * Has the operating system find memory before it is used. The system finds a page when the page is first touched, which
 * takes 4 to 20 us each in a virtual machine: up to 0.3 s for 64 MiB.
 */
import type { Steps } from '../platform/steps.ts';

/** A step of this size takes 10 ms at 20 us per page. */
const STEP_BYTES = 2 * 1024 * 1024;
const SYSTEM_PAGE_BYTES = 4096;

/** Touches [from, end) of `bytes` without changing them. Memory no larger than a step takes one step. */
export function* touchInSteps(bytes: Buffer, from: number, end: number): Steps<void> {
  for (let start = from; end - start > STEP_BYTES; start += STEP_BYTES) {
    for (let at = start; at < start + STEP_BYTES; at += SYSTEM_PAGE_BYTES) bytes[at] = bytes[at] ?? 0;
    yield;
  }
}
