/**
 * Reads one request body from Node's HTTP server, under the byte budget.
 *
 * The declared length is reserved before anything is read; a chunked body is reserved as it comes. The bytes are copied
 * once, into pooled memory.
 */
import type { IncomingMessage } from 'node:http';
import type { Lease } from '../../memory/buffer-pool.ts';
import { assertBodySize } from '../access/byte-budget.ts';
import { LEAST_BYTES, takeDeclared, type Intake } from './exchange.ts';

/** Returns the length that the head declares, or undefined for a chunked body. The HTTP parser has checked its form. */
export function declaredBytes(request: IncomingMessage): number | undefined {
  const length = request.headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

export type BodyResult = (error: Error | undefined, body: Lease | undefined) => void;

/**
 * Calls `done` once: with the body, with a RequestError (413 or 503), or with an error when the sender broke off.
 * After a RequestError the rest of the body is left unread.
 */
export function readBody(request: IncomingMessage, intake: Intake, done: BodyResult): void {
  const declared = declaredBytes(request);
  try {
    if (declared === undefined) {
      intake.reservation.grow(LEAST_BYTES);
      readChunked(request, intake, done);
    } else readDeclared(request, takeDeclared(declared, intake), done);
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)), undefined);
  }
}

/** The HTTP parser delivers exactly as many bytes as were declared, or an error. */
function readDeclared(request: IncomingMessage, lease: Lease, done: BodyResult): void {
  let bytes = 0;
  let handedOn = false;
  request.on('data', (chunk: Buffer) => {
    lease.buffer.set(chunk, bytes); // copies
    bytes += chunk.length;
  });
  request.once('end', () => {
    handedOn = true;
    done(undefined, lease);
  });
  request.on('error', (error) => {
    if (handedOn) return;
    handedOn = true;
    lease.release();
    done(error, undefined);
  });
}

/** A body of unknown length is kept in its chunks until its end. */
function readChunked(request: IncomingMessage, { maxBodyBytes, reservation, pool }: Intake, done: BodyResult): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let refused = false;
  request.on('data', (chunk: Buffer) => {
    if (refused) return;
    bytes += chunk.length;
    try {
      assertBodySize(bytes, maxBodyBytes);
      reservation.grow(chunk.length);
      chunks.push(chunk);
    } catch (error) {
      refused = true;
      chunks.length = 0;
      done(error instanceof Error ? error : new Error(String(error)), undefined);
    }
  });
  request.once('end', () => {
    if (!refused) done(undefined, joinChunks(chunks, pool.take(bytes)));
  });
  request.on('error', (error) => {
    if (!refused) done(error, undefined);
  });
}

function joinChunks(chunks: readonly Buffer[], lease: Lease): Lease {
  let at = 0;
  for (const chunk of chunks) {
    lease.buffer.set(chunk, at); // copies
    at += chunk.length;
  }
  return lease;
}
