/** The schema of the section query: how readers may use the query port (src/query/). */
import { z } from 'zod';

import { duration, flag, SECTION, size, wholeNumber } from './scalars.ts';

export const querySchema = z.strictObject(
  {
    timeout: duration(
      '2m',
      "Longest time from a query's arrival to the last byte of its answer, waiting for its turn included. 2m is the " +
        'default of Prometheus (query.timeout).',
    ),
    max_concurrency: wholeNumber(
      20,
      'Queries in flight for each entry of remote_write; further ones wait their turn in order. 20 is the default of ' +
        'Prometheus (query.max-concurrency). Divided among server.workers, rounded up.',
      1000,
    ),
    max_queued: wholeNumber(
      100,
      'Queries that may wait for each entry; further ones get 503 with Retry-After. 100 is five turns of ' +
        'max_concurrency. Divided among server.workers, rounded up.',
      100_000,
    ),
    max_response_bytes: size(
      '256MiB',
      'Largest answer, as it is transferred. The connection of a reader whose answer is larger is cut, so that it does not ' +
        'take a part for the whole. It is passed on as it comes and never held, so this bounds traffic and not memory.',
    ),
    max_samples_processed: wholeNumber(
      0,
      'AMP charges for the samples that a query processes. When set, query and query_range are sent with this ' +
        'max_samples_processed_error_threshold unless the reader gives one; AMP refuses a query above it and does not ' +
        'charge for it. 0 sets none.',
      1_000_000_000_000,
      0,
    ),
    alertmanager: flag(
      false,
      'Pass on the Alertmanager API as well (alertmanager/api/v2), with which readers can also set and delete silences.',
    ),
  },
  SECTION,
);
