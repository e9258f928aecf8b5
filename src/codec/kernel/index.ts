/**
 * The kernel's exports: pure functions on areas of the imported memory (layout.ts), for ../kernel.ts. Addresses and
 * sizes are trusted; the contents of the areas are not.
 */
import { writeTables } from './decode';

writeTables();

export { takePiece } from './cut';
export { decodeElements, decodeRun, startRun } from './decode';
export { encodeElements } from './encode';
export { findElement, findKept } from './keep';
export { scanRequest } from './scan';
