import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { loadSync } from 'protobufjs';
import { compressSync } from 'snappy';
import { uncompress } from 'snappyjs';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../src/codec/kernel.ts';
import { RequestError } from '../../src/outcome/errors.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../support/arbitrary-runs.ts';
import { preamble } from '../support/arbitrary-snappy.ts';
import { arbitraryWriteRequest, bytesField, field, varint } from '../support/arbitrary-write-request.ts';
import { requestErrorOf } from '../support/request-error-of.ts';
import { tryReadStrictly } from '../support/strict-write-request.ts';
import { wireBody } from '../support/wire-fixtures.ts';

const WriteRequest = loadSync(fileURLToPath(new URL('../../proto/remote.proto', import.meta.url))).lookupType(
  'prometheus.WriteRequest',
);

interface DecodedSeries {
  labels?: { name?: string; value?: string }[];
  samples?: object[];
  histograms?: object[];
  exemplars?: object[];
}

/** The same by protobufjs. */
function countsByTheBook(raw: Uint8Array): object {
  const decoded: { timeseries?: DecodedSeries[]; metadata?: object[] } = WriteRequest.toObject(
    WriteRequest.decode(raw),
  );
  const series = decoded.timeseries ?? [];
  const sum = (of: (one: DecodedSeries) => object[] | undefined): number =>
    series.reduce((total, one) => total + (of(one)?.length ?? 0), 0);
  const valueOf = (name: string): string =>
    series[0]?.labels?.findLast((label) => (label.name ?? '') === name)?.value ?? '';
  return {
    series: series.length,
    samples: sum((one) => one.samples),
    histograms: sum((one) => one.histograms),
    exemplars: sum((one) => one.exemplars),
    metadata: decoded.metadata?.length ?? 0,
    cluster: Buffer.from(valueOf('cluster')).toString('latin1'),
    replica: Buffer.from(valueOf('__replica__')).toString('latin1'),
  };
}

function scanRaw(kernel: Kernel, raw: Uint8Array): ReturnType<Kernel['scan']> {
  return kernel.scan(compressSync(Buffer.from(raw)));
}

const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 4 << 20 });

const label = '0a 06 0a 01 61 12 01 62';

/** A TimeSeries of up to 127 bytes in hexadecimal. */
function series(content: string): string {
  return `0a ${(content.replaceAll(' ', '').length / 2).toString(16).padStart(2, '0')} ${content}`;
}

function labelOf(nameBytes: number, valueBytes: number): Buffer {
  return bytesField(
    1,
    Buffer.concat([bytesField(1, Buffer.alloc(nameBytes, 97)), bytesField(2, Buffer.alloc(valueBytes, 98))]),
  );
}

function nested(depth: number): Buffer {
  return Buffer.concat([Buffer.alloc(depth, 0x13), Buffer.alloc(depth, 0x14)]);
}

/** A block of one literal of up to 64 KiB. */
function literal(raw: Buffer): Buffer {
  return Buffer.concat([
    preamble(raw.length),
    Buffer.from([61 << 2, (raw.length - 1) & 255, (raw.length - 1) >> 8]),
    raw,
  ]);
}

describe('scanning a WriteRequest', () => {
  test.each([
    ['prometheus-3.5-rw1-01', { series: 500, samples: 500, histograms: 0, exemplars: 0, metadata: 0 }],
    ['prometheus-3.5-rw1-04', { series: 0, samples: 0, histograms: 0, exemplars: 0, metadata: 258 }],
    ['prometheus-3.5-rw1-08', { series: 0, samples: 0, histograms: 0, exemplars: 0, metadata: 258 }],
    ['prometheus-3.5-rw1-12', { series: 117, samples: 111, histograms: 6, exemplars: 0, metadata: 0 }],
    ['vmagent-1.145-rw1-01', { series: 0, samples: 0, histograms: 0, exemplars: 0, metadata: 240 }],
    ['vmagent-1.145-rw1-02', { series: 581, samples: 581, histograms: 0, exemplars: 0, metadata: 0 }],
  ])('counts what is in %s, as captured and as protobufjs sees it', (name, counts) => {
    const body = wireBody(name);
    const raw = uncompress(body);
    expect(kernel.scan(body)).toMatchObject({ ...counts, rawBytes: raw.length, unknownFields: 0 });
    expect(kernel.scan(body)).toMatchObject(countsByTheBook(raw));
  });

  test('takes the merge key from the first series of a captured body', () => {
    expect(kernel.scan(wireBody('prometheus-3.5-rw1-01'))).toMatchObject({
      cluster: 'eksa-prod-1',
      replica: 'replica-0',
    });
    expect(kernel.scan(wireBody('vmagent-1.145-rw1-02'))).toMatchObject({ cluster: '', replica: '' });
  });

  test(
    'counts whatever a WriteRequest may hold as it was made and as protobufjs sees it',
    { timeout: PROPERTY_TIMEOUT_MS },
    () => {
      fc.assert(
        fc.property(arbitraryWriteRequest(), (model) => {
          const { raw, timestamps, cluster, replica, ...counts } = model;
          const scan = scanRaw(kernel, raw);
          expect(scan).toMatchObject({ ...counts, rawBytes: raw.length });
          expect([scan.cluster, scan.replica]).toEqual([cluster.toString('latin1'), replica.toString('latin1')]);
          expect(scan).toMatchObject(countsByTheBook(raw));
          const { min, max } = bounds(timestamps);
          expect([scan.minTimestampMs, scan.maxTimestampMs]).toEqual([min, max]);
        }),
        runs(300),
      );
    },
  );

  test('says the same of a request whether the hot loop or the careful reader takes its series', () => {
    // A padded length sends the whole series to the careful reader.
    const sample = bytesField(
      2,
      Buffer.concat([field(1, 1, Buffer.alloc(8, 1)), field(2, 0, varint(1_732_300_000_000))]),
    );
    const label = bytesField(
      1,
      Buffer.concat([bytesField(1, Buffer.from('cluster')), bytesField(2, Buffer.from('c'))]),
    );
    for (const size of [0, 60, 100, 110, 120, 127, 128, 300]) {
      const more = bytesField(
        1,
        Buffer.concat([bytesField(1, Buffer.from('n')), bytesField(2, Buffer.alloc(size, 97))]),
      );
      const content = Buffer.concat([label, more, sample, sample]);
      const counts = { series: 1, samples: 2, minTimestampMs: 1_732_300_000_000, cluster: 'c' };
      expect(scanRaw(kernel, bytesField(1, content))).toMatchObject(counts);
      expect(scanRaw(kernel, bytesField(1, content, 3))).toMatchObject(counts);
    }
  });

  test('counts any two kinds of series next to each other as each by itself', () => {
    const value = `09${'01'.repeat(8)}`;
    const sample = (timestamp: string): string => `12 10 ${value} 10 ${timestamp}`;
    const withLabel = (long: Buffer): string =>
      bytesField(
        1,
        Buffer.concat([Buffer.from(`${label}${sample('84c8afa5b532')}`.replaceAll(' ', ''), 'hex'), long, long]),
      ).toString('hex');
    const ending = Buffer.from(`${label}${sample('85c8afa5b532')}`.replaceAll(' ', ''), 'hex');
    const long = [
      labelOf(1, 122),
      labelOf(1, 123),
      labelOf(1, 124),
      labelOf(127, 128),
      labelOf(128, 3),
      labelOf(9, 16_383),
    ];
    const kinds = [
      series(`${label} ${sample('80c8afa5b532')}`),
      series(`${label.repeat(5)} ${sample('81c8afa5b532')}`),
      series(`${label} ${label} 12 07 10 82c8afa5b532 ${sample('83c8afa5b532')}`),
      series(label),
      series(`${label} 3a 01 61`),
      series(`${label} 12 02 10 05`),
      ...long.map((one) => bytesField(1, one).toString('hex')),
      ...long.map((one) => bytesField(1, Buffer.concat([one, one, ending])).toString('hex')),
      ...long.map(withLabel),
      '1a 02 08 01',
      '3a 01 61',
    ].map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    for (const first of kinds) {
      for (const second of kinds) {
        const alone = [tryReadStrictly(first), tryReadStrictly(second)];
        const sum = (of: 'series' | 'samples' | 'metadata'): number =>
          alone.reduce((total, one) => total + (one?.[of] ?? Number.NaN), 0);
        const { min, max } = bounds(alone.flatMap((one) => one?.timestamps ?? []));
        expect(scanRaw(kernel, Buffer.concat([first, second]))).toMatchObject({
          series: sum('series'),
          samples: sum('samples'),
          metadata: sum('metadata'),
          minTimestampMs: min,
          maxTimestampMs: max,
        });
      }
    }
  });

  test('names the fault of the second series of two, and of the first where both have one', () => {
    const good = series(`${label} 12 02 10 05`);
    const bad = series(`${label} 12 02 08 01`);
    for (const [first, at] of [
      [good, 'at byte 26 '],
      [bad, 'at byte 12 '],
    ] as const) {
      const raw = Buffer.from(`${first}${bad}`.replaceAll(' ', ''), 'hex');
      expect(requestErrorOf(() => scanRaw(kernel, raw)).message).toContain(`wrong wire type ${at}`);
    }
  });

  test('accepts an empty request and has no timestamps for it', () => {
    expect(kernel.scan(Buffer.from([0]))).toEqual({
      rawBytes: 0,
      elementsAt: 1,
      reachBytes: 65_535,
      series: 0,
      samples: 0,
      histograms: 0,
      exemplars: 0,
      metadata: 0,
      unknownFields: 0,
      minTimestampMs: Number.NaN,
      maxTimestampMs: Number.NaN,
      cluster: '',
      replica: '',
    });
  });

  test('takes and refuses the same flipped requests as a strict reader', { timeout: PROPERTY_TIMEOUT_MS }, () => {
    const captured = fc.constantFrom(
      ...['prometheus-3.5-rw1-01', 'prometheus-3.5-rw1-12', 'vmagent-1.145-rw1-01'].map((name) =>
        Buffer.from(uncompress(wireBody(name))).subarray(0, 4000),
      ),
    );
    const flips = fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.integer({ min: 1, max: 255 })),
      {
        maxLength: 3,
      },
    );
    const sources = fc.oneof(
      arbitraryWriteRequest(5).map(({ raw }) => raw),
      captured,
    );
    fc.assert(
      fc.property(sources, flips, (source, changes) => {
        const raw = Buffer.from(source);
        for (const [where, mask] of changes) {
          const at = Math.floor(where * raw.length);
          if (raw.length > 0) raw[at] = (raw[at] ?? 0) ^ mask;
        }
        const { kernel, strict } = byKernelAndStrictly(raw);
        expect(kernel).toEqual(strict);
      }),
      runs(1500),
    );
  });

  test('takes and refuses the same arbitrary bytes as a strict reader', { timeout: PROPERTY_TIMEOUT_MS }, () => {
    // Mostly bytes that mean something here: tags of known fields, short lengths, continuation bits.
    const byte = fc.oneof(fc.constantFrom(10, 18, 26, 34, 9, 16, 0x0b, 0x0c, 1, 2, 4, 0x80, 0xff), fc.nat(255));
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 40 }), (bytes) => {
        const { kernel, strict } = byKernelAndStrictly(Buffer.from(bytes));
        expect(kernel).toEqual(strict);
      }),
      runs(3000),
    );
  });

  test('refuses every truncation of a request inside a field', () => {
    const raw = Buffer.from(uncompress(wireBody('prometheus-3.5-rw1-12'))).subarray(0, 1500);
    const wrong = [];
    for (let length = 1; length < raw.length; length += 1) {
      const cut = raw.subarray(0, length);
      if (isAccepted(kernel, literal(cut)) !== (tryReadStrictly(cut) !== undefined)) wrong.push(length);
    }
    expect(wrong).toEqual([]);
  });

  test.each([
    ['a tag that is cut off', '80', 'a varint that is cut off at byte 0 '],
    ['a varint of 11 bytes', '10 8080808080808080808001', 'a varint of more than 10 bytes at byte 1 '],
    ['field number 0', '02 00', 'a field number of 0 at byte 0 '],
    ['a tag over 32 bits', 'ffffffff7f', 'a field number over 2^29 - 1 at byte 0 '],
    ['a length past the end', '0a 05 0a', 'a length that runs past the end of its message at byte 1 '],
    ['a nested length past its message', series('0a 07 0a 01 61 12 02 62'), 'past the end of its message at byte 3 '],
    ['a known field of the wrong wire type', '08 01', 'a known field with the wrong wire type at byte 0 '],
    ['a sample whose value is a varint', series(`${label} 12 02 08 01`), 'wrong wire type at byte 12 '],
    ['a value that is cut off', series(`${label} 12 05 09 01020304`), 'a fixed-size value that runs past'],
    ['wire type 6', '16 00', 'a wire type that does not exist at byte 0 '],
    ['wire type 7', '17 00', 'a wire type that does not exist at byte 0 '],
    ['the end of a group that is not open', '14', 'an end of a group that is not open at byte 0 '],
    ['the end of another group', '13 1c', 'an end of a group that is not open at byte 1 '],
    ['a group that is not closed', '13 10 01', 'a group that is not closed at byte 1 '],
    [
      'a label with a long value over the border of its series',
      `0a 8801 0a 8601 0a 01 61 12 8001 ${'61'.repeat(128)}`,
      'past the end of its message at byte 4 ',
    ],
    [
      'a bad sample behind a label with a long value',
      `0a 8d01 0a 8601 0a 01 61 12 8001 ${'61'.repeat(128)} 12 02 08 01`,
      'wrong wire type at byte 142 ',
    ],
    [
      'a packed varint over its border',
      series(`${label} 22 05 4a 01 80 70 01`),
      'a varint that is cut off at byte 14 ',
    ],
    [
      'a string over the border of its metadata',
      '1a 04 12 05 61 62 1a 01 00',
      'past the end of its message at byte 3 ',
    ],
    [
      'a sample over the border of its series',
      '0a 09 0a 03 0a 01 61 12 07 10 1a 05 12 03 616161',
      'past the end of its message',
    ],
    [
      'a label that would add up if its length of 2 bytes had 1',
      `0a 8601 0a 84 0a 7e ${'61'.repeat(126)} 12 02 6161`,
      'past the end of its message at byte 4 ',
    ],
    ['packed doubles of 7 bytes', series(`${label} 22 09 52 07 01020304050607`), 'not a multiple of 8 bytes'],
    ['packed doubles of 4 bytes', series(`${label} 22 06 52 04 01020304`), 'not a multiple of 8 bytes'],
    ['packed doubles of 12 bytes', series(`${label} 22 0e 52 0c ${'01'.repeat(12)}`), 'not a multiple of 8 bytes'],
  ])('names the fault and its offset: %s', (_, hex, message) => {
    const raw = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const error = requestErrorOf(() => scanRaw(kernel, raw));
    expect(error.code).toBe('BODY_NOT_WRITE_REQUEST');
    expect(error.message).toContain(message);
    expect(tryReadStrictly(raw)).toBe(undefined);
  });

  test.each([
    // Read as a length of one byte, 128 and 18 bytes of name and value would add up to the label's 150.
    ['whose length takes 2 bytes', `0a 9901 0a 9601 0a 8001 ${'61'.repeat(127)} 12 12 7f ${'61'.repeat(17)}`],
    // The label has 10 bytes, too few for a name of 200: the low 8 bits of the difference are 62, as is a value's length.
    ['of a plain label', `0a cf01 0a 0a 0a c801 1201 ${'61'.repeat(5)} 7a c001 ${'61'.repeat(189)} 12 3e 61`],
  ])('refuses a name of 128 bytes or more %s whose lengths add up as a shorter one would', (_what, hex) => {
    const raw = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(tryReadStrictly(raw)).toBe(undefined);
    const error = requestErrorOf(() => scanRaw(kernel, raw));
    expect(error.message).toContain('past the end of its message at byte ');
  });

  test('takes a name of 128 bytes or more, and counts its series', () => {
    for (const nameBytes of [127, 128, 129, 200, 255, 256, 300]) {
      for (const valueBytes of [0, 1, 127, 128, 300]) {
        const raw = bytesField(1, labelOf(nameBytes, valueBytes));
        expect(scanRaw(kernel, raw)).toMatchObject({ series: 1, unknownFields: 0 });
      }
    }
  });

  test('takes metadata beside an unknown field of the request, and with one of its own', () => {
    const metadata = bytesField(3, Buffer.concat([field(1, 0, varint(1)), bytesField(2, Buffer.from('up'))]));
    const unknown = bytesField(19, Buffer.from('whatever'));
    const inside = bytesField(3, Buffer.concat([bytesField(2, Buffer.from('up')), bytesField(7, Buffer.from('x'))]));
    for (const parts of [
      [unknown, metadata, inside],
      [metadata, unknown, inside],
      [metadata, inside, unknown],
    ]) {
      expect(scanRaw(kernel, Buffer.concat(parts))).toMatchObject({ series: 0, metadata: 2, unknownFields: 1 });
    }
  });

  test('follows nested groups to 100 and no deeper', () => {
    expect(scanRaw(kernel, nested(100)).unknownFields).toBe(1);
    expect(requestErrorOf(() => scanRaw(kernel, nested(101))).message).toContain('nested more than 100 deep');
  });

  test('refuses a TimeSeries without labels by a code of its own', () => {
    const labelled = Buffer.from('0a080a060a0161120162', 'hex');
    const bare = Buffer.from('0a04120210010a00', 'hex');
    const error = requestErrorOf(() => scanRaw(kernel, Buffer.concat([labelled, bare])));
    expect(error.code).toBe('SERIES_WITHOUT_LABELS');
    expect(error.message).toContain('at byte 10 of the decoded message');
    expect(requestErrorOf(() => scanRaw(kernel, Buffer.from('0a00', 'hex'))).code).toBe('SERIES_WITHOUT_LABELS');
  });

  test('never decides by what an earlier request has left behind the end', () => {
    const captured = Buffer.from(uncompress(wireBody('prometheus-3.5-rw1-01')));
    const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 1 << 20 });
    for (let length = 1; length < 600; length += 1) {
      // The memory behind the cut holds the rest, since the whole body was at the same place before.
      kernel.scan(literal(captured.subarray(0, borderAfter(captured, 1500))));
      const cut = captured.subarray(0, length);
      expect(isAccepted(kernel, literal(cut))).toBe(tryReadStrictly(cut) !== undefined);
    }
  });
});

/** Returns the counts of the kernel and of the strict reader; undefined if it is refused. */
function byKernelAndStrictly(raw: Buffer): { kernel: object | undefined; strict: object | undefined } {
  const read = tryReadStrictly(raw);
  if (read === undefined) return { kernel: isAccepted(kernel, compressSync(raw)) ? {} : undefined, strict: undefined };
  const { timestamps, ...counts } = read;
  const { min, max } = bounds(timestamps);
  const strict = { ...counts, minTimestampMs: min, maxTimestampMs: max };
  return { kernel: isAccepted(kernel, compressSync(raw)) ? pick(scanRaw(kernel, raw), strict) : undefined, strict };
}

/** Returns the properties of `from` that `like` has. */
function pick(from: object, like: object): object {
  return Object.fromEntries(Object.entries(from).filter(([name]) => name in like));
}

function bounds(timestamps: readonly bigint[]): { min: number; max: number } {
  const [first] = timestamps;
  if (first === undefined) return { min: Number.NaN, max: Number.NaN };
  let [min, max] = [first, first];
  for (const one of timestamps) {
    if (one < min) min = one;
    if (one > max) max = one;
  }
  return { min: Number(min), max: Number(max) };
}

function isAccepted(kernel: Kernel, body: Buffer): boolean {
  try {
    kernel.scan(body);
    return true;
  } catch (error) {
    if (error instanceof RequestError) return false;
    throw error;
  }
}

/** The first border of a captured request's series behind `at`: their lengths take 2 bytes. */
function borderAfter(raw: Buffer, at: number): number {
  let border = 0;
  while (border < at) {
    const first = raw[border + 1] ?? 0;
    border += first < 128 ? 2 + first : 3 + (first & 127) + (raw[border + 2] ?? 0) * 128;
  }
  return border;
}
