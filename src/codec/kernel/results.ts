/** The results block, seen from inside the kernel. */
import { RESULTS_AT, SLOT_FAULT, SLOT_FAULT_AT } from './layout';

export function setResult(slot: i32, value: u32): void {
  store<u32>(RESULTS_AT + (slot << 2), value);
}

export function getResult(slot: i32): u32 {
  return load<u32>(RESULTS_AT + (slot << 2));
}

/** Notes a fault and where it is. Returns 0, which no reader returns for a position: `return fail(...)`. */
export function fail(fault: u32, at: u32): u32 {
  setResult(SLOT_FAULT, fault);
  setResult(SLOT_FAULT_AT, at);
  return 0;
}
