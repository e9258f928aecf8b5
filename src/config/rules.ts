/**
 * Rules that concern several keys: contradictions are refused with both values, unwise values get a warning.
 *
 * Pure: the names of this machine and the environment come in as arguments.
 */
import { entryRules, type EntryOutcome } from './entry-rules.ts';
import { formatDuration } from './durations.ts';
import { formatListenAddress } from './listen-address.ts';
import type { Findings } from './problem.ts';
import { quoted, refuseWhere, type RuleContext } from './rule-context.ts';
import type { ParsedConfig } from './schema.ts';
import { formatSize } from './sizes.ts';
import { queryRules, tlsAndAuthRules } from './query-rules.ts';
import { isSameSocket } from './url-rules.ts';
import { inflightShare, mostWorkers } from './worker-share.ts';

export interface RuleFindings extends Findings {
  readonly entries: readonly EntryOutcome[];
}

/** Checks everything that concerns more than one key. */
export function checkRules(config: ParsedConfig, context: RuleContext): RuleFindings {
  const findings: Findings = { problems: [], warnings: [] };
  serverRules(config, context, findings);
  limitRules(config, context, findings);
  const entries = config.remote_write.map((entry, index) => entryRules(entry, index, config.server, context, findings));
  routeRules(config, entries, context, findings);
  queryRules(config, entries, context, findings);
  return { ...findings, entries };
}

function serverRules({ server, remote_write: entries }: ParsedConfig, context: RuleContext, findings: Findings): void {
  const listen = ['server', 'listen'];
  const admin = ['server', 'admin_listen'];
  refuseWhere(isSameSocket(server.listen, server.admin_listen), [admin, listen], context, findings.problems, () => {
    const values = [server.admin_listen, server.listen].map(formatListenAddress);
    const taken = `${quoted(values[0] ?? '', admin, context)} takes the same port as server.listen`;
    return `${taken} ${quoted(values[1] ?? '', listen, context)}; give it another port`;
  });

  const shutdown = ['server', 'shutdown_timeout'];
  for (const [index, { queue_config: queue }] of entries.entries()) {
    const delivery = ['remote_write', index, 'queue_config', 'delivery_timeout'];
    const isShort = server.shutdown_timeout < queue.delivery_timeout;
    refuseWhere(isShort, [shutdown, delivery], context, findings.warnings, () => {
      const value = quoted(formatDuration(server.shutdown_timeout), shutdown, context);
      const other = quoted(formatDuration(queue.delivery_timeout), delivery, context);
      return `${value} is shorter than delivery_timeout ${other}: requests in flight at the end may be cut off; raise it`;
    });
  }

  tlsAndAuthRules(server.tls, server.auth, ['server', 'tls'], ['server', 'auth'], findings);
}

function limitRules({ limits, server }: ParsedConfig, context: RuleContext, findings: Findings): void {
  const body = ['limits', 'max_body_bytes'];
  for (const key of ['max_decoded_bytes', 'max_inflight_bytes'] as const) {
    const path = ['limits', key];
    refuseWhere(limits[key] < limits.max_body_bytes, [path, body], context, findings.problems, () => {
      const value = quoted(formatSize(limits[key]), path, context);
      const other = quoted(formatSize(limits.max_body_bytes), body, context);
      return `${value} is below limits.max_body_bytes ${other}: no request of that size could pass; raise it`;
    });
  }

  // `auto` never exceeds this number.
  const { workers } = server;
  if (workers === 'auto' || limits.max_inflight_bytes < limits.max_body_bytes) return;
  const inflight = ['limits', 'max_inflight_bytes'];
  const count = ['server', 'workers'];
  const isShort = inflightShare(limits, workers) < limits.max_body_bytes;
  refuseWhere(isShort, [inflight, body, count], context, findings.problems, () => {
    const value = quoted(formatSize(limits.max_inflight_bytes), inflight, context);
    const share = `${formatSize(inflightShare(limits, workers))} for each of server.workers ${workers}`;
    const other = quoted(formatSize(limits.max_body_bytes), body, context);
    return (
      `${value} is ${share}, below limits.max_body_bytes ${other}: no request of that size could pass; raise it to ` +
      `${formatSize(limits.max_body_bytes * workers)}, or lower server.workers to ${mostWorkers(limits)}`
    );
  });
}

/** Several entries are routes: each has its own name, and a workspace leads to one of them. */
function routeRules(
  config: ParsedConfig,
  entries: readonly EntryOutcome[],
  context: RuleContext,
  findings: Findings,
): void {
  const names = new Map<string, number>();
  const workspaces = new Map<string, number>();
  for (const [index, { name, upstream }] of entries.entries()) {
    const path = ['remote_write', index];
    if (!context.isSound([...path, 'name'])) continue;
    if (name === undefined) {
      findings.problems.push({
        path: [...path, 'name'],
        message: 'is missing; only the first entry may go without, it is "default"',
      });
      continue;
    }
    const first = names.get(name);
    if (first === undefined) names.set(name, index);
    else {
      findings.problems.push({
        path: [...path, 'name'],
        message: `"${name}" is the name of remote_write[${first}] too; names are routes, give each its own`,
      });
    }
    const workspace = upstream?.workspace;
    if (workspace === undefined || !context.isSound([...path, 'url'])) continue;
    const holder = workspaces.get(workspace);
    if (holder === undefined) workspaces.set(workspace, index);
    else {
      findings.warnings.push({
        path: [...path, 'url'],
        message: `names ${workspace} like remote_write[${holder}]: the route /workspaces/${workspace}/api/v1/remote_write goes to that one`,
      });
    }
  }
  if (config.remote_write.length > 1) {
    findings.warnings.push({
      path: ['remote_write'],
      message:
        `has ${config.remote_write.length} entries, which are routes and not copies: /api/v1/write goes to the first ` +
        'only, /api/v1/write/NAME to each of the others',
    });
  }
}
