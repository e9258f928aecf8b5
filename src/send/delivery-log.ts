/** The log of batches under way; each kind of line at most once in ten seconds. */
import type { Log } from '../platform/log.ts';
import { monotonicMs } from '../platform/clock.ts';
import { RecurringLog } from '../platform/recurring-log.ts';
import type { DeliveryLog } from './batch-delivery.ts';

export function makeDeliveryLog(log: Log): DeliveryLog {
  const warnings = new RecurringLog((fields, message) => log.warn(fields, message), monotonicMs);
  const errors = new RecurringLog((fields, message) => log.error(fields, message), monotonicMs);
  return {
    failed: (code, fields, message) => warnings.warn(code, fields, message),
    unauthorized: (code, fields, message) => errors.warn(code, fields, message),
    clockCorrected: (fields) => log.warn(fields, 'the clock was corrected by the upstream'),
    internal: (error) => {
      log.error({ error: faultOf(error) }, 'internal error while sending a batch; its senders are told to send again');
    },
  };
}

function faultOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
