/** Passes an answer of AMP on to a reader as it comes: a chunk is held until the reader has taken it, and no more. */
import type { ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { TLSSocket } from 'node:tls';
import type { Dispatcher } from 'undici';

/** The answer is larger than query.max_response_bytes. */
export class AnswerTooLarge extends Error {
  readonly code = 'ANSWER_TOO_LARGE';

  constructor(maxBytes: number) {
    super(`the answer has more than query.max_response_bytes (${maxBytes})`);
    this.name = 'AnswerTooLarge';
  }
}

/** The headers of an answer that are passed on; content-encoding and content-length describe the body. */
const PASSED_ON = ['content-type', 'content-encoding', 'content-length', 'retry-after', 'vary'] as const;

/** The end of an answer, in which Prometheus puts what `stats` asks for. */
const TAIL_BYTES = 4096;

export interface PassedOn {
  bytes: number;
  /** Samples that the query processed, where the answer tells. */
  samplesProcessed: number | undefined;
}

/**
 * @param first what was read of the body already
 * @param passed is counted in as it goes, for the case that this rejects
 * Rejects with AnswerTooLarge, or when the upstream or the reader breaks off. Then a part may have been written, and the
 * connection is to be cut.
 */
export async function passOn(
  answer: Dispatcher.ResponseData,
  first: readonly Buffer[],
  response: ServerResponse,
  maxBytes: number,
  passed: PassedOn,
): Promise<void> {
  if (Number(headerOf(answer, 'content-length') ?? 0) > maxBytes) throw new AnswerTooLarge(maxBytes);
  const headers: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = headerOf(answer, name);
    if (value !== undefined) headers[name] = value;
  }
  response.writeHead(answer.statusCode, headers);
  let tail: Buffer = Buffer.alloc(0);
  const write = async (chunk: Buffer): Promise<void> => {
    passed.bytes += chunk.length;
    if (passed.bytes > maxBytes) throw new AnswerTooLarge(maxBytes);
    tail = chunk.length >= TAIL_BYTES ? chunk : Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
    if (!response.write(chunk)) await drained(response);
  };
  for (const chunk of first) await write(chunk);
  // undici's body without an encoding yields Buffers.
  for await (const chunk of answer.body as AsyncIterable<Buffer>) await write(chunk);
  response.end();
  await finished(response);
  if (headers['content-encoding'] === undefined) passed.samplesProcessed = samplesIn(tail);
}

/** So that a reader never takes a part for the whole: without TLS by a reset, with TLS by an end without goodbye. */
export function cut(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null || socket instanceof TLSSocket) response.destroy();
  else socket.resetAndDestroy();
}

export function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | undefined {
  const { [name]: value } = headers;
  return Array.isArray(value) ? value[0] : value;
}

/** Rejects when the reader is gone. */
async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const over = (end: () => void): void => {
      response.off('drain', onDrain);
      response.off('close', onClose);
      end();
    };
    const onDrain = (): void => over(resolve);
    const onClose = (): void => over(() => reject(new Error('the reader is gone')));
    response.on('drain', onDrain);
    response.on('close', onClose);
    if (response.destroyed) onClose();
  });
}

function samplesIn(tail: Buffer): number | undefined {
  const found = /"totalQueryableSamples":(\d+)/.exec(tail.toString('latin1', Math.max(0, tail.length - TAIL_BYTES)));
  return found === null ? undefined : Number(found[1]);
}
