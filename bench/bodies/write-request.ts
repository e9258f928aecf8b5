// A remote write 1.0 WriteRequest by hand: the encoder that makes the bench's bodies, and a counter for captured ones.
// Written apart from the proxy's own codec; test/bench checks both against protobufjs.

export type Label = readonly [name: string, value: string];
export type Sample = { readonly value: number; readonly timestampMs: number };

const SERIES_TAG = 0x0a; // WriteRequest.timeseries = 1
const LABEL_TAG = 0x0a; // TimeSeries.labels = 1
const SAMPLE_TAG = 0x12; // TimeSeries.samples = 2
const scratch = Buffer.alloc(1 << 20);

/** One `timeseries` field of a WriteRequest, tag and length included; such fields joined are a WriteRequest. */
export function encodeSeries(labels: readonly Label[], samples: readonly Sample[]): Buffer {
  let at = 16; // room for the tag and the length in front
  for (const [name, value] of labels) {
    const nameBytes = Buffer.byteLength(name);
    const valueBytes = Buffer.byteLength(value);
    const body = 1 + varintBytes(nameBytes) + nameBytes + 1 + varintBytes(valueBytes) + valueBytes;
    scratch[at] = LABEL_TAG;
    at = writeVarint(body, at + 1);
    at = writeString(0x0a, name, nameBytes, at);
    at = writeString(0x12, value, valueBytes, at);
  }
  for (const { value, timestampMs } of samples) {
    scratch[at] = SAMPLE_TAG;
    at = writeVarint(9 + 1 + varintBytes(timestampMs), at + 1);
    scratch[at] = 0x09;
    scratch.writeDoubleLE(value, at + 1);
    scratch[at + 9] = 0x10;
    at = writeVarint(timestampMs, at + 10);
  }
  const length = at - 16;
  const start = 16 - 1 - varintBytes(length);
  scratch[start] = SERIES_TAG;
  writeVarint(length, start + 1);
  return Buffer.from(scratch.subarray(start, at)); // copies
}

/** Samples and histograms in an uncompressed WriteRequest, as `max_samples_per_send` counts them. */
export function countSamples(request: Buffer): number {
  let samples = 0;
  eachField(request, (field, series) => {
    if (field !== 1) return;
    eachField(series, (inner) => {
      if (inner === 2 || inner === 4) samples += 1;
    });
  });
  return samples;
}

/** Calls back for each length-delimited field; none of the messages walked here has fields of another wire type. */
function eachField(message: Buffer, onField: (field: number, bytes: Buffer) => void): void {
  let at = 0;
  while (at < message.length) {
    const tag = readVarint(message, at);
    if ((tag.value & 7) !== 2) throw new Error(`wire type ${tag.value & 7} at byte ${at}; expected 2`);
    const length = readVarint(message, tag.end);
    const end = length.end + length.value;
    if (end > message.length) throw new Error(`a field of ${length.value} bytes at byte ${at} passes the end`);
    onField(Math.floor(tag.value / 8), message.subarray(length.end, end));
    at = end;
  }
}

function writeString(tag: number, text: string, bytes: number, at: number): number {
  scratch[at] = tag;
  const start = writeVarint(bytes, at + 1);
  scratch.write(text, start, 'utf8');
  return start + bytes;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

function writeVarint(value: number, start: number): number {
  let at = start;
  let rest = value;
  while (rest >= 128) {
    scratch[at] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
    at += 1;
  }
  scratch[at] = rest;
  return at + 1;
}

function readVarint(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0;
  let scale = 1;
  for (let at = start; at < Math.min(bytes.length, start + 8); at += 1) {
    const byte = bytes[at] ?? 0;
    value += (byte % 128) * scale;
    scale *= 128;
    if (byte < 128) return { value, end: at + 1 };
  }
  throw new Error(`an unfinished varint at byte ${start}`);
}
