/**
 * The faults that a body can have. Shared by the kernel (AssemblyScript), which writes the number, and its binding
 * (../kernel.ts), which finds the sentence for it.
 */
export const LITERAL_PAST_INPUT = 1;
export const LITERAL_PAST_OUTPUT = 2;
export const COPY_PAST_INPUT = 3;
export const COPY_PAST_OUTPUT = 4;
export const COPY_BEFORE_START = 5;
export const OUTPUT_SHORT = 6;

export const VARINT_CUT = 7;
export const VARINT_TOO_LONG = 8;
export const TAG_TOO_LARGE = 9;
export const FIELD_NUMBER_ZERO = 10;
export const LENGTH_PAST_END = 11;
export const FIXED_PAST_END = 12;
export const WRONG_WIRE_TYPE = 13;
export const UNKNOWN_WIRE_TYPE = 14;
export const GROUP_END_UNMATCHED = 15;
export const GROUP_NOT_CLOSED = 16;
export const GROUPS_TOO_DEEP = 17;
export const PACKED_NOT_WHOLE = 18;

export const SERIES_WITHOUT_LABELS = 19;

/** Counts that exceed the limits of one request. */
export const TOO_MANY_SERIES = 20;
export const TOO_MANY_SAMPLES = 21;
export const TOO_MANY_METADATA = 22;
export const TOO_MANY_FIELDS = 23;
