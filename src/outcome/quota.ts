/**
 * Tells which quota a 429 is about. A rate passes within seconds and concerns everybody. A quota on series or metadata
 * does not pass for hours and concerns the data that was sent: known series of the same request were stored.
 */
import { ownWords } from './upstream-text.ts';

/** `data`: series or metadata; `samples`: samples in a second; `requests`: requests in a second. */
export type Quota = 'data' | 'samples' | 'requests';

interface Wording {
  readonly words: RegExp;
  readonly quota: Quota;
  /** The source of the wording. */
  readonly source: string;
}

const AMP = 'https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-troubleshooting.html';
const AMP_QUOTAS = 'https://docs.aws.amazon.com/prometheus/latest/userguide/AMP_quotas.html';
const CORTEX_LIMITER = 'cortexproject/cortex pkg/ingester/limiter.go';
const CORTEX_DISTRIBUTOR = 'cortexproject/cortex pkg/distributor/distributor.go';
const MIMIR_LIMITER = 'grafana/mimir pkg/ingester/limiter.go';
const MIMIR_IDS = 'grafana/mimir pkg/util/globalerror/user.go';
const MIMIR_DISTRIBUTOR = 'grafana/mimir pkg/distributor/errors.go';

/** The first match wins. */
export const WORDINGS: readonly Wording[] = [
  { words: /per-user series limit/i, quota: 'data', source: `${AMP}, ${CORTEX_LIMITER}, ${MIMIR_LIMITER}` },
  { words: /per-metric series limit/i, quota: 'data', source: `${AMP}, ${CORTEX_LIMITER}, ${MIMIR_LIMITER}` },
  { words: /per-label-?set series limit/i, quota: 'data', source: CORTEX_LIMITER },
  { words: /limits? per label ?set/i, quota: 'data', source: `${AMP_QUOTAS}, limitsPerLabelSet` },
  { words: /per-user native ?histograms? series limit/i, quota: 'data', source: CORTEX_LIMITER },
  { words: /per-user (?:metric )?metadata limit/i, quota: 'data', source: `${CORTEX_LIMITER}, ${MIMIR_LIMITER}` },
  { words: /per-metric metadata limit/i, quota: 'data', source: `${CORTEX_LIMITER}, ${MIMIR_LIMITER}` },
  { words: /exceeded the active series limit/i, quota: 'data', source: MIMIR_DISTRIBUTOR },
  {
    words: /err-mimir-max-(?:series|metadata)-per-(?:user|metric)|err-mimir-max-active-series/,
    quota: 'data',
    source: MIMIR_IDS,
  },
  { words: /native histogram ingestion rate limit/i, quota: 'samples', source: CORTEX_DISTRIBUTOR },
  { words: /ingestion rate limit/i, quota: 'samples', source: `${AMP}, ${CORTEX_DISTRIBUTOR}, ${MIMIR_DISTRIBUTOR}` },
  { words: /ingestion burst size limit/i, quota: 'samples', source: AMP_QUOTAS },
  { words: /err-mimir-tenant-max-ingestion-rate/, quota: 'samples', source: MIMIR_IDS },
  { words: /^\s*Rate exceeded\.?\s*$/i, quota: 'requests', source: AMP },
  { words: /exceeded the request rate limit/i, quota: 'requests', source: MIMIR_DISTRIBUTOR },
  { words: /err-mimir-tenant-max-request-rate/, quota: 'requests', source: MIMIR_IDS },
];

/** Returns undefined if the text names no quota in known words. */
export function quotaOf(said: string): Quota | undefined {
  const own = ownWords(said);
  return WORDINGS.find(({ words }) => words.test(own))?.quota;
}
