/**
 * The layout of the kernel's one memory. Shared by the kernel (AssemblyScript) and its binding (../kernel.ts), so it
 * holds plain number constants only.
 *
 *     0        1 KiB     4 KiB   12 KiB     12.5 KiB      13 KiB     16 KiB       48 KiB  64 KiB
 *     | unused | results | steps | patterns | open groups | elements | hash table | marks | input | slack | output | slack |
 *
 * The input area holds the compressed body and, behind it, newly encoded elements, with slack between. The output area
 * holds the decoded message. The binding chooses for each call where the output area starts.
 *
 * Bytes beyond an area's end belong to its slack: 16-byte copies may write up to 16 bytes of it, and hot loops may read
 * up to SLACK_BYTES of it before they find that they are past the end. Bytes read there never decide anything.
 */
export const RESULTS_AT = 1024;
export const STEPS_AT = 4096;
export const STEPS_BYTES = 4096; // and up to 16 more are written
export const PATTERNS_AT = 12288;
export const CONSTANTS_AT = 12544; // behind the 16 patterns
export const OPEN_GROUPS_AT = 12800;
export const ELEMENTS_AT = 13312;
export const HASH_TABLE_AT = 16384;
export const HASH_TABLE_ENTRIES = 16384;
/** The marks that decoding leaves, in order: the address of an element and of its decoded bytes, 32 bits each. */
export const MARKS_AT = 49152;
export const MOST_MARKS = 2048;
export const INPUT_AT = 65536;
export const SLACK_BYTES = 512;

/** Snappy's matcher works on blocks of this size, so that a position in a block fits 16 bits. */
export const BLOCK_BYTES = 65536;
/** The most that one block can take when encoded: 32 + n + n/6, as in the reference encoder. */
export const ENCODED_BLOCK_BYTES = 32 + 65536 + 10923;

/** The deepest nesting of unknown groups that is followed; protobuf's own default limit. */
export const MAX_GROUP_DEPTH = 100;

// The results block: 32-bit slots, as indices from RESULTS_AT. A fault of 0 is "none".
export const SLOT_FAULT = 0;
export const SLOT_FAULT_AT = 1; // an address in the memory
export const SLOT_SERIES = 2;
export const SLOT_SAMPLES = 3;
export const SLOT_HISTOGRAMS = 4;
export const SLOT_EXEMPLARS = 5;
export const SLOT_METADATA = 6;
export const SLOT_UNKNOWN = 7;
export const SLOT_CLUSTER_AT = 8;
export const SLOT_CLUSTER_BYTES = 9;
export const SLOT_REPLICA_AT = 10;
export const SLOT_REPLICA_BYTES = 11;
// Two doubles, as indices of 8 bytes from RESULTS_AT.
export const SLOT_MIN_TIMESTAMP = 8;
export const SLOT_MAX_TIMESTAMP = 9;
// 32-bit slots again: the values that decodeElements leaves for findKept, and the results of findKept.
export const SLOT_MARKS = 20; // how many
export const SLOT_FARTHEST = 21; // no copy is from farther back
export const SLOT_KEPT_AT = 22;
export const SLOT_KEPT_OUT = 23;
export const SLOT_KEPT_END_AT = 24;
export const SLOT_KEPT_END_OUT = 25;
// The position where decodeRun has stopped.
export const SLOT_NEXT_AT = 26;
export const SLOT_NEXT_OUT = 27;
/** 1 when takePiece needs more of the request to be decoded before it can go on. */
export const SLOT_MORE = 28;
/** The number of 32-bit slots. */
export const SLOTS = 30;
