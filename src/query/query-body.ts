/** Reads the body of a query: its form. It is signed, and so it has to be whole before anything is sent. */
import type { IncomingMessage } from 'node:http';

/** An expression of 100 KiB is long. With max_concurrency and max_queued this bounds what is held for an entry. */
export const MAX_FORM_BYTES: number = 1024 * 1024;

/** @returns undefined where it is larger than MAX_FORM_BYTES; rejects when the reader breaks off */
export async function readForm(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_FORM_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // An IncomingMessage without an encoding yields Buffers.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_FORM_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
