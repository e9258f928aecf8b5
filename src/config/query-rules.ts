/** Rules of the query port: its address, who may read, and which workspaces can be read. */
import type { EntryOutcome } from './entry-rules.ts';
import { formatListenAddress } from './listen-address.ts';
import type { Findings, KeyPath } from './problem.ts';
import { quoted, refuseWhere, type RuleContext } from './rule-context.ts';
import type { ParsedConfig, ServerConfig } from './schema.ts';
import { isSameSocket } from './url-rules.ts';

export function queryRules(
  { server, remote_write: entries, query }: ParsedConfig,
  outcomes: readonly EntryOutcome[],
  context: RuleContext,
  findings: Findings,
): void {
  const { query_listen: address } = server;
  const path = ['server', 'query_listen'];
  tlsAndAuthRules(server.query_tls, server.query_auth, ['server', 'query_tls'], ['server', 'query_auth'], findings);
  if (address === undefined) {
    for (const key of ['query_tls', 'query_auth'] as const) {
      if (server[key] === undefined) continue;
      findings.warnings.push({
        path: ['server', key],
        message: 'has no effect without server.query_listen; give that too, or remove it',
      });
    }
    return;
  }
  for (const key of ['listen', 'admin_listen'] as const) {
    const other = ['server', key];
    refuseWhere(isSameSocket(address, server[key]), [path, other], context, findings.problems, () => {
      const taken = `${formatListenAddress(address)} takes the same port as server.${key}`;
      return `${taken} ${quoted(formatListenAddress(server[key]), other, context)}; give it another port`;
    });
  }
  if (!context.isSound(path)) return;
  if (server.query_auth === undefined) {
    const more = query.alertmanager ? ', and can set and delete silences' : '';
    findings.warnings.push({
      path,
      message: `opens the workspaces to readers without server.query_auth: whoever reaches the port reads them${more}; set it, or keep others away with a NetworkPolicy`,
    });
  }
  const areKnown = outcomes.every(({ upstream }) => upstream !== undefined);
  if (areKnown && outcomes.every(({ queryUrl }) => queryUrl === undefined)) {
    findings.problems.push({
      path,
      message:
        'is set, and no entry of remote_write can be read: none has the URL of a workspace; give query_url, or remove it',
    });
  } else {
    for (const [index, { queryUrl, upstream }] of outcomes.entries()) {
      if (queryUrl !== undefined || upstream === undefined || entries[index]?.query_url !== undefined) continue;
      findings.warnings.push({
        path: ['remote_write', index, 'url'],
        message: 'is not the URL of a workspace, so that this entry cannot be read; give query_url where it should be',
      });
    }
  }
}

/** The rules of a port's certificate and of its logins. */
export function tlsAndAuthRules(
  tls: ServerConfig['tls'],
  auth: ServerConfig['auth'],
  tlsPath: KeyPath,
  authPath: KeyPath,
  { problems }: Findings,
): void {
  if (tls !== undefined && (tls.cert_file === undefined || tls.key_file === undefined)) {
    problems.push({ path: tlsPath, message: 'needs both cert_file and key_file; give both, or neither' });
  }
  if (auth === undefined) return;
  const { bearer_token_file: token, basic_auth_file: passwords } = auth;
  if (token === undefined && passwords === undefined) {
    problems.push({
      path: authPath,
      message: 'names no file; give bearer_token_file or basic_auth_file, or remove it',
    });
  } else if (token !== undefined && passwords !== undefined) {
    problems.push({
      path: authPath,
      message: 'has both bearer_token_file and basic_auth_file; keep one of them',
    });
  }
}
