// Prepared bodies on disk, so that every tool of a row gets the same bytes and the load process spends nothing on
// making them. Layout: length of the index (uint32 LE), the index as JSON, the bodies one after the other.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Body } from './bodies.ts';
import { bodyIndex, type BodyIndex } from '../rig/messages.ts';

export type StoredBody = { readonly bytes: Buffer; readonly samples: number };

export function writeBodyFile(file: string, perConnection: readonly (readonly Body[])[]): void {
  const parts: Buffer[] = [];
  let offset = 0;
  const index: BodyIndex = perConnection.map((bodies) =>
    bodies.map(({ compressed, samples }) => {
      parts.push(compressed);
      offset += compressed.length;
      return { offset: offset - compressed.length, length: compressed.length, samples };
    }),
  );
  const indexBytes = Buffer.from(JSON.stringify(index));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(indexBytes.length);
  writeFileSync(file, Buffer.concat([head, indexBytes, ...parts]));
}

export function readBodyFile(file: string): StoredBody[][] {
  const bytes = readFileSync(file);
  const start = 4 + bytes.readUInt32LE(0);
  const index = bodyIndex.parse(JSON.parse(bytes.toString('utf8', 4, start)));
  return index.map((bodies) =>
    bodies.map(({ offset, length, samples }) => ({
      bytes: bytes.subarray(start + offset, start + offset + length),
      samples,
    })),
  );
}
