/** The limits that hold where nothing is configured. */
import type { KernelLimits } from '../../src/codec/kernel.ts';
import { configSchema } from '../../src/config/schema.ts';

/** The most CPU time of one call on the machine at hand, which bench/hostile/main.ts shows. */
export const MAX_BLOCKED_MICROSECONDS = 50_000;

export function defaultLimits(): KernelLimits {
  const { limits } = configSchema.parse({ remote_write: [{ url: 'https://aps-workspaces.us-west-2.amazonaws.com' }] });
  return {
    maxBodyBytes: limits.max_body_bytes,
    maxDecodedBytes: limits.max_decoded_bytes,
    maxSeries: limits.max_series_per_request,
    maxSamples: limits.max_samples_per_request,
    maxMetadata: limits.max_metadata_per_request,
    maxFields: limits.max_fields_per_request,
  };
}
