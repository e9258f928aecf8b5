/**
 * The stand-in for the Pod Identity associations of EKS. It passes other requests (above all about clusters) on to
 * another stand-in of EKS.
 *
 * https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
 */
import { randomBytes } from 'node:crypto';

import type { ApiAnswer, ApiRequest, ApiServer } from './json-api.ts';
import { ApiError, startApi, tagsOf, textOf } from './json-api.ts';

export interface Association {
  readonly clusterName: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly associationId: string;
  readonly associationArn: string;
  readonly createdAt: number;
  roleArn: string;
  modifiedAt: number;
  tags: Record<string, string>;
}

export interface PodIdentity extends ApiServer {
  readonly associations: ReadonlyMap<string, Association>;
}

export interface PodIdentityOptions {
  /** Base URL of the EKS that has the clusters. */
  readonly clustersUrl: string;
  readonly region?: string;
  readonly accountId?: string;
}

export async function startPodIdentity(options: PodIdentityOptions): Promise<PodIdentity> {
  const associations = new Map<string, Association>();
  const server = await startApi(async (request) => {
    const [root, name = '', section, id] = request.path;
    if (root === 'tags' && name.includes(':podidentityassociation/')) return answerTags(associations, request, name);
    if (root !== 'clusters' || section !== 'pod-identity-associations') return handOn(options.clustersUrl, request);
    await assertCluster(options.clustersUrl, name, request);
    if (id === undefined) {
      return request.method === 'POST'
        ? create(associations, options, name, request)
        : list(associations, name, request);
    }
    const association = associations.get(id);
    if (association?.clusterName !== name) throw notFound(`association ${id}`);
    if (request.method === 'DELETE') associations.delete(id);
    if (request.method === 'POST') {
      association.roleArn = textOf(request.body, 'roleArn');
      association.modifiedAt = nowSeconds();
    }
    return { status: 200, body: { association } };
  });
  return { ...server, associations };
}

function create(
  associations: Map<string, Association>,
  { region = 'us-west-2', accountId = '123456789012' }: PodIdentityOptions,
  clusterName: string,
  { body }: ApiRequest,
): ApiAnswer {
  const namespace = textOf(body, 'namespace');
  const serviceAccount = textOf(body, 'serviceAccount');
  const isTaken = [...associations.values()].some(
    (item) =>
      item.clusterName === clusterName && item.namespace === namespace && item.serviceAccount === serviceAccount,
  );
  if (isTaken) throw new ApiError(409, 'ResourceInUseException', 'Association already exists');
  const associationId = `a-${randomBytes(8).toString('hex')}`;
  const association: Association = {
    clusterName,
    namespace,
    serviceAccount,
    associationId,
    associationArn: `arn:aws:eks:${region}:${accountId}:podidentityassociation/${clusterName}/${associationId}`,
    roleArn: textOf(body, 'roleArn'),
    tags: tagsOf(body['tags']),
    createdAt: nowSeconds(),
    modifiedAt: nowSeconds(),
  };
  associations.set(associationId, association);
  return { status: 200, body: { association } };
}

function list(associations: ReadonlyMap<string, Association>, clusterName: string, { query }: ApiRequest): ApiAnswer {
  const fits = (name: string, value: string): boolean => (query.get(name) ?? value) === value;
  const found = [...associations.values()]
    .filter((item) => item.clusterName === clusterName && fits('namespace', item.namespace))
    .filter((item) => fits('serviceAccount', item.serviceAccount))
    .map(({ namespace, serviceAccount, associationArn, associationId }) => ({
      clusterName,
      namespace,
      serviceAccount,
      associationArn,
      associationId,
    }));
  return { status: 200, body: { associations: found } };
}

function answerTags(associations: ReadonlyMap<string, Association>, request: ApiRequest, arn: string): ApiAnswer {
  const association = [...associations.values()].find(({ associationArn }) => associationArn === arn);
  if (association === undefined) throw notFound(arn);
  if (request.method === 'POST') association.tags = { ...association.tags, ...tagsOf(request.body['tags']) };
  return { status: 200, body: request.method === 'GET' ? { tags: association.tags } : {} };
}

async function assertCluster(clustersUrl: string, name: string, request: ApiRequest): Promise<void> {
  const { status } = await handOn(clustersUrl, { ...request, method: 'GET', target: `/clusters/${name}` });
  if (status !== 200) throw notFound(`cluster ${name}`);
}

async function handOn(url: string, { method, target, headers, rawBody }: ApiRequest): Promise<ApiAnswer> {
  const authorization = String(headers['authorization'] ?? '');
  const response = await fetch(`${url}${target}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { body: new Uint8Array(rawBody) }),
  });
  const text = await response.text();
  if (response.status >= 400) {
    const code = response.headers.get('x-amzn-errortype') ?? 'ResourceNotFoundException';
    throw new ApiError(response.status, code, text);
  }
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

function notFound(what: string): ApiError {
  return new ApiError(404, 'ResourceNotFoundException', `there is no ${what}`);
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
