/**
 * What fails at the moment on the way to each destination, for the second line of /-/ready. It is in words of the proxy
 * alone: whoever may ask for the readiness may not be meant to read what AMP says about a sender's data.
 */
import type { DestinationSnapshot } from '../metrics/destination-snapshot.ts';
import { explain } from '../outcome/explain.ts';

/** Returns a line for each destination whose latest attempt failed, with the time of that failure in UTC. */
export function lastFailures(
  destinations: readonly Pick<DestinationSnapshot, 'name' | 'failing' | 'problems'>[],
): string[] {
  return destinations.flatMap(({ name, failing, problems }) => {
    if (failing === null) return [];
    const { what, remedy } = explain(failing);
    const lastAtMs = problems.find(({ code }) => code === failing)?.lastAtMs;
    const at = lastAtMs === undefined ? '' : ` at ${new Date(lastAtMs).toISOString()}`;
    return [`remote_write ${name}: the last attempt failed${at}: AMP ${what} -> ${remedy}`];
  });
}
