/**
 * The stand-in for Amazon Managed Grafana: its control plane, and the HTTP API of each workspace under
 * /grafana/WORKSPACE.
 *
 * Shapes are those of the service's model (https://docs.aws.amazon.com/grafana/latest/APIReference/Welcome.html), so
 * that both the SDK and the AWS CLI read them; the HTTP API is Grafana's
 * (https://grafana.com/docs/grafana/latest/developers/http_api/). Requests to the control plane have to be signed for
 * `grafana`; the HTTP API wants a live token of a service account.
 */
import { randomBytes, randomUUID } from 'node:crypto';

import type { ApiAnswer, ApiRequest, ApiServer } from './json-api.ts';
import type { GrafanaWorkspace } from './grafana-http.ts';
import { answerHttpApi } from './grafana-http.ts';
import { ApiError, signedServiceOf, startApi, tagsOf, textOf } from './json-api.ts';
import type { JsonObject } from './json-object.ts';
import { isJsonObject } from './json-object.ts';

export interface ManagedGrafana extends ApiServer {
  readonly workspaces: ReadonlyMap<string, GrafanaWorkspace>;
  /** Every token that was ever given out. */
  readonly issuedTokens: readonly string[];
}

export interface ManagedGrafanaOptions {
  /**
   * The URL that the control plane gives for the HTTP API; default this server. A test can name a relay in between that
   * it can cut.
   */
  readonly endpointUrl?: () => string;
  /** How often a new workspace reports CREATING when asked. Default 1. */
  readonly pendingReads?: number;
}

export async function startManagedGrafana(options: ManagedGrafanaOptions = {}): Promise<ManagedGrafana> {
  const workspaces = new Map<string, GrafanaWorkspace>();
  const issuedTokens: string[] = [];
  let url = '';
  const endpointUrl = options.endpointUrl ?? ((): string => url);
  const parts = { workspaces, issuedTokens, pendingReads: options.pendingReads ?? 1, endpointUrl };
  const server = await startApi((request) => {
    if (request.path[0] === 'grafana') return answerHttpApi(workspaces, request);
    if (signedServiceOf(request) !== 'grafana') {
      throw new ApiError(403, 'MissingAuthenticationTokenException', 'Missing Authentication Token');
    }
    return answerControlPlane(parts, request);
  });
  url = server.url;
  return { ...server, workspaces, issuedTokens };
}

interface Parts {
  readonly workspaces: Map<string, GrafanaWorkspace>;
  readonly issuedTokens: string[];
  readonly pendingReads: number;
  readonly endpointUrl: () => string;
}

function answerControlPlane(parts: Parts, request: ApiRequest): ApiAnswer | undefined {
  const { method, path, body, query } = request;
  const [root, id = '', section, accountId, tokens] = path;
  if (root === 'tags') return answerTags(findByArn(parts, id), request);
  if (root !== 'workspaces') return undefined;
  if (id === '') return method === 'POST' ? create(parts, body) : list(parts);
  const workspace = find(parts, id);
  const route = [method, section, accountId === undefined ? '' : 'one', tokens].filter(Boolean).join(' ');
  switch (route) {
    case 'GET':
      return ok({ workspace: read(parts, workspace) });
    case 'PUT': {
      const { workspaceDataSources, workspaceNotificationDestinations, workspaceRoleArn } = body;
      const changes = { workspaceDataSources, workspaceNotificationDestinations, workspaceRoleArn };
      workspace.settings = { ...workspace.settings, ...defined(changes) };
      return { status: 202, body: { workspace: describe(parts, workspace) } };
    }
    case 'DELETE':
      parts.workspaces.delete(id);
      return { status: 202, body: { workspace: { ...describe(parts, workspace), status: 'DELETING' } } };
    case 'GET permissions':
      return ok({ permissions: permissionsOf(workspace, query) });
    case 'PATCH permissions':
      return ok({ errors: updatePermissions(workspace, body) });
    case 'GET serviceaccounts':
      return ok({
        workspaceId: id,
        serviceAccounts: [...workspace.serviceAccounts.values()].map(({ id: account, name, grafanaRole }) => ({
          id: account,
          name,
          grafanaRole,
          isDisabled: 'false',
        })),
      });
    case 'POST serviceaccounts':
      return ok(createServiceAccount(workspace, body));
    case 'DELETE serviceaccounts one':
      if (!workspace.serviceAccounts.delete(accountId ?? '')) throw notFound(`service account ${accountId}`);
      return ok({ serviceAccountId: accountId, workspaceId: id });
    case 'POST serviceaccounts one tokens':
      return ok(createToken(parts, workspace, accountId ?? '', body));
    default:
      return undefined;
  }
}

function create(parts: Parts, body: JsonObject): ApiAnswer {
  for (const key of ['accountAccessType', 'permissionType', 'workspaceRoleArn']) textOf(body, key);
  if (!Array.isArray(body['authenticationProviders'])) {
    throw new ApiError(400, 'ValidationException', 'authenticationProviders must be given');
  }
  const workspace: GrafanaWorkspace = {
    id: `g-${randomBytes(5).toString('hex')}`,
    created: Math.floor(Date.now() / 1000),
    settings: body,
    tags: tagsOf(body['tags']),
    pendingReads: parts.pendingReads,
    permissions: new Map(),
    serviceAccounts: new Map(),
    dataSources: new Map(),
    dashboards: new Map(),
  };
  parts.workspaces.set(workspace.id, workspace);
  return { status: 202, body: { workspace: describe(parts, workspace) } };
}

function list(parts: Parts): ApiAnswer {
  const workspaces = [...parts.workspaces.values()].map((workspace) => {
    const { id, name, status, created, modified, endpoint, grafanaVersion, authentication, tags } = describe(
      parts,
      workspace,
    );
    return { id, name, status, created, modified, endpoint, grafanaVersion, authentication, tags };
  });
  return ok({ workspaces });
}

/** Reads the workspace once, which brings it nearer to ACTIVE. */
function read(parts: Parts, workspace: GrafanaWorkspace): JsonObject {
  const seen = describe(parts, workspace);
  workspace.pendingReads = Math.max(0, workspace.pendingReads - 1);
  return seen;
}

function describe(parts: Parts, { id, created, settings, tags, pendingReads }: GrafanaWorkspace): JsonObject {
  return {
    id,
    name: settings['workspaceName'],
    description: settings['workspaceDescription'],
    accountAccessType: settings['accountAccessType'],
    permissionType: settings['permissionType'],
    dataSources: settings['workspaceDataSources'] ?? [],
    notificationDestinations: settings['workspaceNotificationDestinations'] ?? [],
    workspaceRoleArn: settings['workspaceRoleArn'],
    authentication: { providers: settings['authenticationProviders'] },
    endpoint: `${parts.endpointUrl()}/grafana/${id}`,
    grafanaVersion: '10.4',
    status: pendingReads > 0 ? 'CREATING' : 'ACTIVE',
    created,
    modified: created,
    tags,
  };
}

function answerTags(workspace: GrafanaWorkspace, { method, body, query }: ApiRequest): ApiAnswer | undefined {
  if (method === 'POST') workspace.tags = { ...workspace.tags, ...tagsOf(body['tags']) };
  else if (method === 'DELETE') {
    const keys = new Set(query.getAll('tagKeys'));
    workspace.tags = Object.fromEntries(Object.entries(workspace.tags).filter(([key]) => !keys.has(key)));
  }
  return ok(method === 'GET' ? { tags: workspace.tags } : {});
}

function permissionsOf({ permissions }: GrafanaWorkspace, query: URLSearchParams): readonly JsonObject[] {
  const userId = query.get('userId');
  return [...permissions]
    .filter(([id]) => userId === null || id === userId)
    .map(([id, { type, role }]) => ({ user: { id, type }, role }));
}

/** Like in AWS, a name in place of an id is an error within the answer, and the call succeeds. */
function updatePermissions({ permissions }: GrafanaWorkspace, body: JsonObject): readonly JsonObject[] {
  const batch: unknown[] = Array.isArray(body['updateInstructionBatch']) ? body['updateInstructionBatch'] : [];
  return batch.filter(isJsonObject).flatMap((instruction) => {
    const users: unknown[] = Array.isArray(instruction['users']) ? instruction['users'] : [];
    return users.filter(isJsonObject).flatMap((user) => {
      const id = String(user['id']);
      if (!/^[0-9a-f-]{8,}$/u.test(id)) return [{ code: 400, message: `no such user: ${id}`, causedBy: instruction }];
      if (instruction['action'] === 'REVOKE') permissions.delete(id);
      else permissions.set(id, { type: String(user['type']), role: String(instruction['role']) });
      return [];
    });
  });
}

function createServiceAccount(workspace: GrafanaWorkspace, body: JsonObject): JsonObject {
  const name = textOf(body, 'name');
  if ([...workspace.serviceAccounts.values()].some((account) => account.name === name)) {
    throw new ApiError(409, 'ConflictException', `a service account ${name} exists`);
  }
  const account = {
    id: String(workspace.serviceAccounts.size + 1),
    name,
    grafanaRole: textOf(body, 'grafanaRole'),
    tokens: new Map<string, { key: string; expiresAtMs: number }>(),
  };
  workspace.serviceAccounts.set(account.id, account);
  return { id: account.id, name, grafanaRole: account.grafanaRole, workspaceId: workspace.id };
}

function createToken(parts: Parts, workspace: GrafanaWorkspace, accountId: string, body: JsonObject): JsonObject {
  const account = workspace.serviceAccounts.get(accountId);
  if (account === undefined) throw notFound(`service account ${accountId}`);
  const seconds = Number(body['secondsToLive']);
  if (!(seconds > 0 && seconds <= 2_592_000)) {
    throw new ApiError(400, 'ValidationException', 'secondsToLive is from 1 to 2592000');
  }
  const key = `glsa_${randomBytes(16).toString('hex')}`;
  const id = randomUUID();
  account.tokens.set(id, { key, expiresAtMs: Date.now() + seconds * 1000 });
  parts.issuedTokens.push(key);
  const serviceAccountToken = { id, name: textOf(body, 'name'), key };
  return { serviceAccountToken, serviceAccountId: accountId, workspaceId: workspace.id };
}

function find({ workspaces }: Parts, id: string): GrafanaWorkspace {
  const workspace = workspaces.get(id);
  if (workspace === undefined) throw notFound(`workspace ${id}`);
  return workspace;
}

function findByArn(parts: Parts, arn: string): GrafanaWorkspace {
  return find(parts, arn.slice(arn.lastIndexOf('/') + 1));
}

function notFound(what: string): ApiError {
  return new ApiError(404, 'ResourceNotFoundException', `there is no ${what}`);
}

function ok(body: unknown): ApiAnswer {
  return { status: 200, body };
}

function defined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
