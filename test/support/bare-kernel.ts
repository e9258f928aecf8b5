/**
 * The compiled kernel on a memory of the test's own, without the binding: shows the decoded bytes, and checks with
 * canaries that nothing is written outside the areas.
 */
import { readFileSync } from 'node:fs';
import * as layout from '../../src/codec/kernel/layout.ts';

const module = new WebAssembly.Module(readFileSync(new URL('../../build/kernel.wasm', import.meta.url)));
const PAGE_BYTES = 65_536;
const CANARY = 0xa5;
/** The bytes that copies may write beyond their area. */
const OVERSHOOT_BYTES = 16;

let canaries = Buffer.alloc(0);

export class BareKernel {
  readonly #memory = new WebAssembly.Memory({ initial: 1, maximum: 4096 });
  readonly #exports = new WebAssembly.Instance(module, { env: { memory: this.#memory } }).exports;

  /** Decodes the elements of a block; undefined if they are refused. Throws if a byte outside the areas changes. */
  decode(elements: Uint8Array, rawBytes: number): Buffer | undefined {
    const outputAt = layout.INPUT_AT + elements.length + layout.SLACK_BYTES;
    const outputEnd = outputAt + rawBytes;
    const bytes = this.#prepare(outputEnd + layout.SLACK_BYTES + 256);
    const head = Buffer.from(bytes.subarray(0, layout.INPUT_AT));
    bytes.fill(CANARY, layout.INPUT_AT);
    bytes.set(elements, layout.INPUT_AT);
    const accepted = this.#call('decodeElements', [
      layout.INPUT_AT,
      layout.INPUT_AT + elements.length,
      outputAt,
      outputEnd,
    ]);
    // The bytes from the results to the patterns may change, and the marks: no other part of the head may.
    head.copy(bytes, layout.RESULTS_AT, layout.RESULTS_AT, layout.PATTERNS_AT);
    head.copy(bytes, layout.MARKS_AT, layout.MARKS_AT, layout.MARKS_AT + layout.MOST_MARKS * 8);
    if (!head.equals(bytes.subarray(0, layout.INPUT_AT))) throw new Error('the head was written to');
    if (!bytes.subarray(layout.INPUT_AT, layout.INPUT_AT + elements.length).equals(elements)) {
      throw new Error('the input was written to');
    }
    assertCanaries(bytes.subarray(layout.INPUT_AT + elements.length, outputAt));
    assertCanaries(bytes.subarray(outputEnd + OVERSHOOT_BYTES));
    return accepted === 0 ? undefined : Buffer.from(bytes.subarray(outputAt, outputEnd));
  }

  /** Encodes into a room of `roomBytes`; undefined if the kernel finds it too small. */
  encode(raw: Uint8Array, roomBytes: number): Buffer | undefined {
    const to = layout.INPUT_AT;
    const from = to + roomBytes + layout.SLACK_BYTES;
    const bytes = this.#prepare(from + raw.length + 256);
    bytes.fill(CANARY, to);
    bytes.set(raw, from);
    const end = this.#call('encodeElements', [from, from + raw.length, to, to + roomBytes]);
    assertCanaries(bytes.subarray(to + roomBytes + OVERSHOOT_BYTES, from));
    if (!bytes.subarray(from, from + raw.length).equals(raw)) throw new Error('what is encoded was written to');
    assertCanaries(bytes.subarray(from + raw.length));
    return end === 0 ? undefined : Buffer.from(bytes.subarray(to, end));
  }

  #prepare(end: number): Buffer {
    const missing = Math.ceil((end - this.#memory.buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) this.#memory.grow(missing);
    return Buffer.from(this.#memory.buffer, 0, end);
  }

  #call(name: string, args: number[]): number {
    const called = this.#exports[name];
    if (typeof called !== 'function') throw new Error(`the kernel has no ${name}`);
    return Number(Reflect.apply(called, undefined, args));
  }
}

function assertCanaries(bytes: Buffer): void {
  if (canaries.length < bytes.length) canaries = Buffer.alloc(bytes.length * 2, CANARY);
  if (canaries.compare(bytes, 0, bytes.length, 0, bytes.length) === 0) return;
  throw new Error(`byte ${bytes.findIndex((byte) => byte !== CANARY)} behind an area was written to`);
}
