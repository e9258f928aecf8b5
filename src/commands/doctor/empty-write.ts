/** One signed, empty write, sent exactly as the proxy sends: same signer, same connection, same TLS. */
import type { RemoteWriteConfig } from '../../config/schema.ts';
import { explain } from '../../outcome/explain.ts';
import { redact } from '../../outcome/redact.ts';
import { openUpstream, upstreamProxy } from '../../send/upstream/open-upstream.ts';
import { upstreamTls } from '../../send/upstream/upstream-tls.ts';
import type { ExpiringIdentity } from '../../aws/provider.ts';
import { RemoteWriteSigner } from '../../aws/sigv4.ts';
import type { CheckResult } from './check.ts';
import { failed } from './check.ts';
import { explainAnswer, explainClock } from './answer.ts';

/** A snappy block of no bytes: a WriteRequest with no series in it. */
const EMPTY_WRITE = Buffer.of(0);

/** @param ca the authorities of tls_config, in PEM */
export async function checkWrite(
  config: RemoteWriteConfig,
  identity: ExpiringIdentity,
  ca: string | undefined,
): Promise<CheckResult[]> {
  const { url: href, sigv4, tls_config: tls, remote_timeout: timeoutMs } = config;
  const url = new URL(href);
  const connection = upstreamTls(tls, ca);
  const upstream = openUpstream({ url, connections: 1, timeoutMs, tls: connection }, upstreamProxy(config));
  try {
    const signer = new RemoteWriteSigner(url, sigv4.region, sigv4.service_name);
    const startedAtMs = performance.now();
    const answer = await upstream.post(signer.sign(EMPTY_WRITE, identity, new Date()), EMPTY_WRITE);
    const tookMs = Math.round(performance.now() - startedAtMs);
    if (answer.kind === 'failed') {
      const { remedy } = explain(answer.reason);
      return [failed('write', `no answer after ${tookMs} ms: ${redact(answer.message)}`, remedy)];
    }
    const dateMs = answer.date === undefined ? Number.NaN : Date.parse(answer.date);
    const skewMs = Number.isNaN(dateMs) ? undefined : dateMs - Date.now();
    const context = { url: href, region: sigv4.region, skewMs, errorType: answer.errorType };
    return [explainClock(context), explainAnswer(answer.status, answer.message, { ...context, tookMs })];
  } finally {
    await upstream.destroy();
  }
}
