/** Rules within one entry of remote_write: its queue, its region, and where its URL leads. */
import { formatDuration } from './durations.ts';
import { identityRules } from './identity-rules.ts';
import { formatListenAddress } from './listen-address.ts';
import type { Findings, KeyPath } from './problem.ts';
import { quoted, refuseWhere, type RuleContext } from './rule-context.ts';
import type { ParsedRemoteWrite, ServerConfig } from './schema.ts';
import { formatSize } from './sizes.ts';
import { checkQueryUrl, workspaceUrl } from './query-url.ts';
import { checkUrl, isOwnAddress, type UpstreamUrl } from './url-rules.ts';
import { proxyRules, tlsRules } from './way-rules.ts';

/** The result for an entry. A part is undefined if a problem was reported for it. */
export interface EntryOutcome {
  readonly name: string | undefined;
  readonly upstream: UpstreamUrl | undefined;
  readonly region: string | undefined;
  /** Before /api/v1/query, without a slash at its end; undefined where the entry cannot be read. */
  readonly queryUrl: string | undefined;
}

/** AMP answers 413 to larger requests. */
const AMP_MAX_BYTES = 1_000_000;

/** Prometheus gives up after 30s (its default remote_timeout); one second is for the network. */
const SENDER_PATIENCE_MS = 29_000;

/** Senders notice a longer deadline, since each waits for its answer before it sends the series' next samples. */
const LONG_DEADLINE_MS = 1000;

export function entryRules(
  entry: ParsedRemoteWrite,
  index: number,
  server: ServerConfig,
  context: RuleContext,
  findings: Findings,
): EntryOutcome {
  const path = ['remote_write', index];
  const upstream = urlRules(entry, path, server, context, findings);
  proxyRules(entry, path, context, findings);
  tlsRules(entry.tls_config, path, upstream, context, findings);
  queueRules(entry, path, upstream, context, findings);
  identityRules(entry.sigv4, [...path, 'sigv4'], context, findings);
  const region = regionRule(entry.sigv4.region, path, upstream, context, findings);
  const queryUrl = queryUrlRule(entry, path, server, upstream, context, findings);
  return { name: entry.name ?? (index === 0 ? 'default' : undefined), upstream, region, queryUrl };
}

function urlRules(
  entry: ParsedRemoteWrite,
  entryPath: KeyPath,
  server: ServerConfig,
  context: RuleContext,
  findings: Findings,
): UpstreamUrl | undefined {
  const path = [...entryPath, 'url'];
  if (!context.isSound(path)) return undefined;
  const check = checkUrl(entry.url);
  findings.problems.push(...check.problems.map((problem) => ({ path, ...problem })));
  findings.warnings.push(...check.warnings.map((warning) => ({ path, ...warning })));
  const upstream = check.upstream;
  if (upstream === undefined) return undefined;

  for (const key of ['listen', 'admin_listen', 'query_listen'] as const) {
    const listen = ['server', key];
    const { [key]: address } = server;
    if (address === undefined) continue;
    refuseWhere(
      isOwnAddress(upstream.href, address, context.ownNames),
      [path, listen],
      context,
      findings.problems,
      () => {
        const own = quoted(formatListenAddress(address), listen, context);
        return `${upstream.href} is this proxy itself, which listens on server.${key} ${own}; give the URL of the upstream`;
      },
    );
  }
  return upstream;
}

/** @returns the URL to read at: the one that is given, or that of the workspace */
function queryUrlRule(
  { query_url: given }: ParsedRemoteWrite,
  entryPath: KeyPath,
  server: ServerConfig,
  upstream: UpstreamUrl | undefined,
  context: RuleContext,
  { problems, warnings }: Findings,
): string | undefined {
  if (given === undefined) return upstream === undefined ? undefined : workspaceUrl(upstream.href);
  const path = [...entryPath, 'query_url'];
  if (!context.isSound(path)) return undefined;
  const check = checkQueryUrl(given);
  problems.push(...check.problems.map((problem) => ({ path, ...problem })));
  warnings.push(...check.warnings.map((warning) => ({ path, ...warning })));
  const { href } = check;
  const { query_listen: listen } = server;
  if (href !== undefined && listen !== undefined && isOwnAddress(href, listen, context.ownNames)) {
    problems.push({ path, message: `${href} is this proxy itself; give the URL of the upstream` });
  }
  return href;
}

function queueRules(
  { queue_config: queue, remote_timeout: remoteTimeout }: ParsedRemoteWrite,
  entryPath: KeyPath,
  upstream: UpstreamUrl | undefined,
  context: RuleContext,
  { problems, warnings }: Findings,
): void {
  const at = (key: keyof typeof queue): KeyPath => [...entryPath, 'queue_config', key];
  const count = (key: 'min_shards' | 'max_shards' | 'capacity' | 'max_samples_per_send'): string =>
    quoted(queue[key], at(key), context);
  const time = (key: 'min_backoff' | 'max_backoff' | 'batch_send_deadline' | 'delivery_timeout'): string =>
    quoted(formatDuration(queue[key]), at(key), context);

  refuseWhere(
    queue.min_shards > queue.max_shards,
    [at('min_shards'), at('max_shards')],
    context,
    problems,
    () => `${count('min_shards')} is above max_shards ${count('max_shards')}; lower it, or raise max_shards`,
  );
  refuseWhere(
    queue.capacity < queue.max_samples_per_send,
    [at('capacity'), at('max_samples_per_send')],
    context,
    problems,
    () =>
      `${count('capacity')} is below max_samples_per_send ${count('max_samples_per_send')}: no full request could ` +
      'be queued; raise it to twice max_samples_per_send or more',
  );
  refuseWhere(
    queue.min_backoff > queue.max_backoff,
    [at('min_backoff'), at('max_backoff')],
    context,
    problems,
    () => `${time('min_backoff')} is above max_backoff ${time('max_backoff')}; lower it, or raise max_backoff`,
  );
  refuseWhere(
    queue.batch_send_deadline >= queue.delivery_timeout,
    [at('batch_send_deadline'), at('delivery_timeout')],
    context,
    problems,
    () =>
      `${time('batch_send_deadline')} is not below delivery_timeout ${time('delivery_timeout')}: the sender would ` +
      'have its 503 before the first attempt; lower it, 50ms is usual',
  );
  refuseWhere(
    upstream?.isAmp === true && queue.max_bytes_per_send > AMP_MAX_BYTES,
    [at('max_bytes_per_send')],
    context,
    problems,
    () =>
      `${formatSize(queue.max_bytes_per_send)} is above the ${formatSize(AMP_MAX_BYTES)} (10^6 bytes) that AMP takes ` +
      'in one request before it answers 413; lower it',
  );

  const isSlow = queue.batch_send_deadline > LONG_DEADLINE_MS && queue.batch_send_deadline < queue.delivery_timeout;
  refuseWhere(
    isSlow,
    [at('batch_send_deadline')],
    context,
    warnings,
    () =>
      `${time('batch_send_deadline')} is long: senders wait for their answer meanwhile, unlike in Prometheus, where ` +
      'only its own queue does; 50ms is usual',
  );
  refuseWhere(
    queue.delivery_timeout > SENDER_PATIENCE_MS,
    [at('delivery_timeout')],
    context,
    warnings,
    () =>
      `${time('delivery_timeout')} is above 29s, and Prometheus gives up at 30s and sends again; raise the senders' ` +
      'remote_timeout above it, or lower it',
  );
  const timeout = [...entryPath, 'remote_timeout'];
  refuseWhere(
    remoteTimeout > queue.delivery_timeout,
    [timeout, at('delivery_timeout')],
    context,
    warnings,
    () =>
      `${quoted(formatDuration(remoteTimeout), timeout, context)} is above delivery_timeout ${time('delivery_timeout')}, ` +
      'which ends the attempt first and leaves no time for another; 10s is usual',
  );
}

function regionRule(
  given: string | undefined,
  entryPath: KeyPath,
  upstream: UpstreamUrl | undefined,
  context: RuleContext,
  { problems }: Findings,
): string | undefined {
  const path = [...entryPath, 'sigv4', 'region'];
  if (given !== undefined && !/^[a-z0-9-]+$/.test(given)) {
    problems.push({ path, message: 'is not a region; write it as in us-west-2', showValue: true });
    return undefined;
  }
  if (upstream === undefined) return undefined;
  if (given !== undefined && upstream.region !== undefined && given !== upstream.region) {
    const host = new URL(upstream.href).host;
    problems.push({
      path,
      message: `${given} contradicts the URL's host ${host}, which is in ${upstream.region}; remove it, or correct the URL`,
    });
  }
  const region = given ?? upstream.region ?? context.env['AWS_REGION'];
  if (region !== undefined && region !== '') return region;
  problems.push({
    path,
    message: "is missing, and neither the URL's host nor AWS_REGION tells it; give the region of the workspace",
  });
  return undefined;
}
