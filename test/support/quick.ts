/** Short times, so that a fault is over in a second or two; every one is far below its default. */
export const QUICK_DELIVERY_TIMEOUT_MS = 2_500;

/** The settings of an entry of `remote_write`. */
export const QUICK = {
  remote_timeout: '700ms',
  queue_config: {
    max_shards: 8,
    batch_send_deadline: '20ms',
    min_backoff: '10ms',
    max_backoff: '200ms',
    delivery_timeout: `${QUICK_DELIVERY_TIMEOUT_MS}ms`,
  },
} as const;
