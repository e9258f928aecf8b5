/**
 * Computes how much of the kernel's memory a call needs and where its areas start (kernel/layout.ts). All sizes are in
 * bytes.
 */
import { ENCODED_BLOCK_BYTES, INPUT_AT, SLACK_BYTES } from './kernel/layout.ts';

/** The size of a WebAssembly page. */
export const PAGE_BYTES = 65536;

/** The largest size that incompressible bytes can take when encoded, as in the reference encoder. */
export function worstCaseBytes(rawBytes: number): number {
  return 32 + rawBytes + Math.ceil(rawBytes / 6);
}

/** The space that encoding `bytes` needs: the encoder begins a block only where the block's worst case fits. */
export function encodeRoom(bytes: number): number {
  return bytes + ENCODED_BLOCK_BYTES;
}

/** The address where newly encoded elements go: behind a body in the input area. */
export function encodeStart(bodyBytes: number): number {
  return INPUT_AT + bodyBytes + SLACK_BYTES;
}

/** The address where the output area starts; `encodeEnd` is where the input area ends. */
export function outputStart(encodeEnd: number): number {
  return Math.ceil((encodeEnd + SLACK_BYTES) / 64) * 64;
}

/** The number of WebAssembly pages that hold `bytes`. */
export function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}
