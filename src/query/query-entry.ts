/** One entry of remote_write, as readers see it. */
import type { UpstreamClock } from '../aws/clock.ts';
import type { Credentials } from '../aws/credentials.ts';
import type { QueryCounts } from '../metrics/query-counts.ts';
import type { QuerySigner } from './query-signer.ts';
import type { QueryUpstream } from './query-upstream.ts';
import type { ReadableEntry } from './routes.ts';
import type { QueryTurns } from './turns.ts';

export interface QueryEntry extends ReadableEntry {
  /** Path of the URL to read at; empty at the root. */
  readonly basePath: string;
  readonly signer: QuerySigner;
  /** Those of the entry's writes. */
  readonly credentials: Credentials;
  readonly clock: UpstreamClock;
  readonly upstream: QueryUpstream;
  readonly turns: QueryTurns;
  readonly counts: QueryCounts;
}
