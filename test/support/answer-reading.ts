/** Answers given to an AnswerReader whole, byte by byte and in pieces at random. */
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { AnswerFault, AnswerReader } from '../../src/send/upstream/answer-reader.ts';
import { runs } from './arbitrary-runs.ts';

export interface Told {
  readonly status: number;
  readonly message: string;
  readonly retryAfter: string | undefined;
  readonly date: string | undefined;
  readonly errorType: string | undefined;
  /** Nothing came after it, and the connection stays. */
  readonly reusable: boolean;
  readonly keepAliveSeconds: number;
}

/** Pieces come in memory that is used again at once, as those of a connection do. */
function push(reader: AnswerReader, piece: Buffer): boolean {
  const memory = Buffer.from(piece); // copies
  const whole = reader.push(memory);
  memory.fill('#');
  return whole;
}

function toldBy(reader: AnswerReader, rest: number): Told {
  const { status, message, retryAfter, date, errorType, reusable, keepAliveSeconds } = reader;
  return {
    status,
    message: message.toString('latin1'),
    retryAfter,
    date,
    errorType,
    reusable: reusable && rest === 0,
    keepAliveSeconds,
  };
}

/** Reads the pieces and then the end of the connection. */
export function read(pieces: readonly Buffer[], reader = new AnswerReader()): Told | 'fault' | 'unfinished' {
  reader.begin();
  try {
    for (const [index, piece] of pieces.entries()) {
      if (push(reader, piece)) return toldBy(reader, Buffer.concat(pieces.slice(index + 1)).length);
    }
  } catch (error) {
    if (error instanceof AnswerFault) return 'fault';
    throw error;
  }
  return reader.end() ? toldBy(reader, 0) : 'unfinished';
}

export function bytewise(wire: Buffer): Buffer[] {
  return Array.from({ length: wire.length }, (_, at) => wire.subarray(at, at + 1));
}

export function cutAt(wire: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (wire.length + 1)).toSorted((a, b) => a - b), wire.length];
  return ends.map((end, index) => wire.subarray(ends[index - 1] ?? 0, end));
}

export const cuts = fc.array(fc.nat(), { maxLength: 12 });

/** Reads a text, and checks that the result is the same however it arrives. */
export function readHowever(text: string): Told | 'fault' | 'unfinished' {
  const wire = Buffer.from(text, 'latin1');
  const whole = read([wire]);
  expect(read(bytewise(wire)), 'byte by byte').toEqual(whole);
  fc.assert(
    fc.property(cuts, (at) => {
      expect(read(cutAt(wire, at))).toEqual(whole);
    }),
    runs(30),
  );
  return whole;
}

export const head = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
export const OK = 'HTTP/1.1 200 OK';
export const CHUNKED = head(OK, 'Transfer-Encoding: chunked');
export const DATE = 'Fri, 02 Jan 2026 03:05:00 GMT';
