// A rig: sink, tool and load as processes of their own, one before the other.
import path from 'node:path';
import { BenchProcess } from './children.ts';
import {
  loadResult,
  loadStarted,
  sinkSnapshot,
  sinkStarted,
  type LoadCommand,
  type LoadOptions,
  type LoadResult,
  type SinkCommand,
  type SinkOptions,
  type SinkSnapshot,
} from './messages.ts';
import type { Row } from './rows.ts';
import { UPSTREAM_PATH, type RunningTool, type Tool } from './tool.ts';

export type Certificate = { readonly keyFile: string; readonly certFile: string };

export type Rig = {
  readonly sink: BenchProcess<SinkCommand, SinkSnapshot>;
  readonly load: BenchProcess<LoadCommand, LoadResult>;
  readonly tool: RunningTool | undefined;
};

/** Without a tool the load goes straight to the sink. @param stops gets what ends each process, in their order */
export async function startRig(
  row: Row,
  tool: Tool | undefined,
  bodyFile: string,
  certificate: Certificate | undefined,
  directory: string,
  stops: (() => Promise<void>)[],
): Promise<Rig> {
  const sinkOptions: SinkOptions = {
    requireSignature: tool?.signs ?? false,
    ...(row.upstreamTls && certificate !== undefined ? { tls: certificate } : {}),
  };
  const { process: sink, first } = await BenchProcess.start<SinkCommand, SinkSnapshot, { port: number }>(
    path.join(import.meta.dirname, 'sink.ts'),
    sinkOptions,
    { first: sinkStarted, answer: sinkSnapshot },
  );
  stops.push(() => sink.stop());
  const caFile = row.upstreamTls ? certificate?.certFile : undefined;
  const running = await tool?.start({ port: first.port, caFile, directory });
  if (running !== undefined) stops.push(() => running.program.stop());
  const loadOptions: LoadOptions = {
    port: running?.port ?? first.port,
    path: running?.path ?? UPSTREAM_PATH,
    tls: running === undefined && row.upstreamTls,
    bodyFile,
  };
  const { process: load } = await BenchProcess.start<LoadCommand, LoadResult, unknown>(
    path.join(import.meta.dirname, 'load.ts'),
    loadOptions,
    { first: loadStarted, answer: loadResult },
  );
  stops.push(() => load.stop());
  return { sink, load, tool: running };
}
