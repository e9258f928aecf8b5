/**
 * One Grafana of the stand-in for Amazon Managed Grafana: its state, and its HTTP API under /grafana/WORKSPACE.
 *
 * Data sources and dashboards, for whoever has a live token of a service account.
 * https://grafana.com/docs/grafana/latest/developers/http_api/
 */
import type { ApiAnswer, ApiRequest } from './json-api.ts';
import { textOf } from './json-api.ts';
import type { JsonObject } from './json-object.ts';
import { isJsonObject } from './json-object.ts';

export interface ServiceAccount {
  readonly id: string;
  readonly name: string;
  readonly grafanaRole: string;
  /** By their id. */
  readonly tokens: Map<string, { readonly key: string; readonly expiresAtMs: number }>;
}

export interface GrafanaWorkspace {
  readonly id: string;
  readonly created: number;
  settings: JsonObject;
  tags: Record<string, string>;
  /** The number of further describe calls until it is ACTIVE. */
  pendingReads: number;
  /** By SSO user. */
  readonly permissions: Map<string, { readonly type: string; readonly role: string }>;
  readonly serviceAccounts: Map<string, ServiceAccount>;
  readonly dataSources: Map<string, JsonObject>;
  readonly dashboards: Map<string, JsonObject>;
}

export function answerHttpApi(
  workspaces: ReadonlyMap<string, GrafanaWorkspace>,
  { method, path, body, headers }: ApiRequest,
): ApiAnswer | undefined {
  const [, id = '', , kind, by, uid = ''] = path;
  const workspace = workspaces.get(id);
  if (workspace === undefined) return undefined;
  const token = /^Bearer (.+)$/u.exec(String(headers['authorization']))?.[1] ?? '';
  if (!isLive(workspace, token)) return { status: 401, body: { message: 'Invalid API key' } };
  if (kind === 'datasources') return answerDataSources(workspace.dataSources, method, by === 'uid' ? uid : '', body);
  if (kind === 'dashboards') return answerDashboards(workspace.dashboards, method, by === 'uid' ? uid : '', body);
  return undefined;
}

function isLive({ serviceAccounts }: GrafanaWorkspace, token: string): boolean {
  const tokens = [...serviceAccounts.values()].flatMap((account) => [...account.tokens.values()]);
  return tokens.some(({ key, expiresAtMs }) => key === token && expiresAtMs > Date.now());
}

function answerDataSources(
  dataSources: Map<string, JsonObject>,
  method: string,
  uid: string,
  body: JsonObject,
): ApiAnswer | undefined {
  if (method === 'POST') {
    const name = textOf(body, 'name');
    if ([...dataSources.values()].some((item) => item['name'] === name)) {
      return { status: 409, body: { message: 'data source with the same name already exists' } };
    }
    const stored = { id: dataSources.size + 1, version: 1, readOnly: false, ...body };
    dataSources.set(textOf(body, 'uid'), stored);
    return ok({ datasource: stored, message: 'Datasource added' });
  }
  const known = dataSources.get(uid);
  if (known === undefined) return undefined;
  if (method === 'PUT') dataSources.set(uid, { ...known, ...body });
  if (method === 'DELETE') dataSources.delete(uid);
  return ok(method === 'GET' ? known : { message: 'done' });
}

function answerDashboards(
  dashboards: Map<string, JsonObject>,
  method: string,
  uid: string,
  body: JsonObject,
): ApiAnswer | undefined {
  if (method === 'POST') {
    const { dashboard } = body;
    if (!isJsonObject(dashboard)) return { status: 400, body: { message: 'bad request data' } };
    const key = textOf(dashboard, 'uid');
    const version = Number(dashboards.get(key)?.['version'] ?? 0) + 1;
    dashboards.set(key, { ...dashboard, id: 1, version });
    return ok({ uid: key, status: 'success', version });
  }
  const known = dashboards.get(uid);
  if (known === undefined) return undefined;
  if (method === 'DELETE') dashboards.delete(uid);
  return ok({ dashboard: known, meta: { slug: uid } });
}

function ok(body: unknown): ApiAnswer {
  return { status: 200, body };
}
