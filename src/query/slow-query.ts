/** The log of slow queries: what was asked, how long it took, how much came back, and who asked. */
import type { Query } from './forwarded-query.ts';

const MAX_PROMQL = 1024;

export interface SlowQuery {
  readonly code: string;
  readonly elapsedMs: number;
  readonly bytes: number;
  readonly reader: string;
}

export function logSlowQuery(
  log: { info(fields: object, message: string): void },
  { entry, path, parameters, body }: Query,
  { code, elapsedMs, bytes, reader }: SlowQuery,
): void {
  const promql = promqlOf([...parameters, ...new URLSearchParams(body?.toString() ?? '')]);
  log.info(
    {
      remote_name: entry.name,
      path,
      promql: promql.length <= MAX_PROMQL ? promql : `${promql.slice(0, MAX_PROMQL - 1)}…`,
      durationMs: Math.round(elapsedMs),
      bytes,
      code,
      reader,
    },
    'a slow query',
  );
}

function promqlOf(parameters: Iterable<readonly [name: string, value: string]>): string {
  return [...parameters]
    .filter(([name]) => name === 'query' || name === 'match[]')
    .map(([, value]) => value)
    .join(' ');
}
