// The messages between the bench's processes. They are checked on arrival, so that each end may rely on its types.
import { z } from 'zod';

const count = z.number().int().nonnegative();
const figure = z.number().or(z.nan());

export const sinkOptions = z.object({
  requireSignature: z.boolean(),
  /** PEM files; plain HTTP without. */
  tls: z.object({ keyFile: z.string(), certFile: z.string() }).optional(),
});
export type SinkOptions = z.infer<typeof sinkOptions>;

/** Each is answered with a snapshot; a number is the latency in ms of every answer from then on (0 at first). */
export const sinkCommand = z.literal('snapshot').or(z.number().nonnegative());
export type SinkCommand = z.infer<typeof sinkCommand>;

export const sinkStarted = z.object({ port: count });

/** The sink's counts since it began. `unsigned` requests got 403. */
export const sinkSnapshot = z.object({
  requests: count,
  bodyBytes: count,
  connections: count,
  unsigned: count,
  malformed: count,
  cpuSeconds: z.number(),
});
export type SinkSnapshot = z.infer<typeof sinkSnapshot>;

export const loadOptions = z.object({ port: count, path: z.string(), tls: z.boolean(), bodyFile: z.string() });
export type LoadOptions = z.infer<typeof loadOptions>;

export const loadStarted = z.object({ connections: count });

/** `ratePerSecond` over all connections; closed loop without. */
export const loadCommand = z.object({
  durationMs: z.number().positive(),
  ratePerSecond: z.number().positive().or(z.undefined()).optional(),
});
export type LoadCommand = z.infer<typeof loadCommand>;

/**
 * `samples` and `requests` are those acknowledged with 2xx; `failed` counts the others by status (0: no answer).
 * Latencies are NaN when nothing was acknowledged.
 */
export const loadResult = z.object({
  requests: count,
  samples: count,
  bodyBytes: count,
  failed: z.record(z.string(), count),
  elapsedMs: z.number(),
  latencyMs: z.object({ p50: figure, p99: figure, p999: figure }),
  cpuSeconds: z.number(),
});
export type LoadResult = z.infer<typeof loadResult>;

/** The position of each body in a body file (body-file.ts), by connection. */
export const bodyIndex = z.array(z.array(z.object({ offset: count, length: count, samples: count })));
export type BodyIndex = z.infer<typeof bodyIndex>;
