/**
 * Chooses where credentials come from: static keys, a profile, or the default chain of the AWS SDK (environment, web
 * identity token file, EKS Pod Identity, shared files, instance), with a role on top if one is configured.
 *
 * Every refresh creates a new provider, so that nothing the SDK remembers can interfere with it. The region is passed
 * on to the SDK's own STS client, which would fall back to us-east-1 otherwise. STS is reached through the
 * entry's HTTP proxy; the agents of EKS Pod Identity and of the instance are on the node and are reached directly.
 */
import { fromIni, fromNodeProviderChain, fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { Environment } from '../config/environment.ts';
import type { Sigv4Config } from '../config/schema.ts';
import { awsRequestHandler, type AwsRequestHandler, type WayToAws } from './aws-http.ts';
import type { AwsIdentity } from './sigv4.ts';

export interface ExpiringIdentity extends AwsIdentity {
  readonly expiration?: Date | undefined;
}

export type CredentialProvider = () => Promise<ExpiringIdentity>;

/** Shows up in CloudTrail. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
const ROLE_SESSION_NAME = 'amp-write-proxy';
/** Both are below the time that credentials.ts gives a refresh. */
const STS_TIMEOUTS = { connectionMs: 3_000, requestMs: 8_000 };

interface StsClientConfig {
  readonly region: string;
  readonly useFipsEndpoint: boolean;
  readonly requestHandler: AwsRequestHandler;
}

export function makeProvider(sigv4: Sigv4Config, way: WayToAws, env: Environment): CredentialProvider {
  const clientConfig = {
    region: stsRegion(sigv4, env),
    useFipsEndpoint: sigv4.use_fips_sts_endpoint,
    requestHandler: awsRequestHandler(way, STS_TIMEOUTS),
  };
  const base = baseProvider(sigv4, clientConfig);
  if (sigv4.role_arn === undefined) return base;
  const tags = Object.entries(sigv4.tags ?? {}).map(([Key, Value]) => ({ Key, Value }));
  return fromTemporaryCredentials({
    masterCredentials: base,
    params: {
      RoleArn: sigv4.role_arn,
      RoleSessionName: sigv4.session_name ?? ROLE_SESSION_NAME,
      ...(sigv4.external_id === undefined ? {} : { ExternalId: sigv4.external_id }),
      ...(tags.length === 0 ? {} : { Tags: tags }),
    },
    clientConfig,
  });
}

/** sts.REGION.amazonaws.com and its FIPS, dual-stack and VPC endpoint forms. https://docs.aws.amazon.com/general/latest/gr/sts.html */
const STS_HOST = /(?:^|\.)sts(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\./;

/**
 * The region whose STS is asked. An overriding endpoint that names its region is signed for that one: AWS refuses a
 * signature for any other.
 */
export function stsRegion(sigv4: Pick<Sigv4Config, 'region' | 'sts_region'>, env: Environment): string {
  if (sigv4.sts_region !== undefined) return sigv4.sts_region;
  const endpoint = nonEmpty(env['AWS_ENDPOINT_URL_STS']) ?? nonEmpty(env['AWS_ENDPOINT_URL']);
  const ofEndpoint =
    endpoint !== undefined && URL.canParse(endpoint) ? STS_HOST.exec(new URL(endpoint).hostname)?.[1] : undefined;
  return ofEndpoint ?? nonEmpty(env['AWS_REGION']) ?? sigv4.region;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function baseProvider(
  sigv4: Sigv4Config,
  clientConfig: StsClientConfig,
): () => Promise<{ accessKeyId: string; secretAccessKey: string; sessionToken?: string; expiration?: Date }> {
  const { access_key: accessKeyId, secret_key: secretAccessKey, profile } = sigv4;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return () => Promise.resolve({ accessKeyId, secretAccessKey });
  }
  if (profile !== undefined) return fromIni({ profile, clientConfig, ignoreCache: true });
  return fromNodeProviderChain({ clientConfig, roleSessionName: ROLE_SESSION_NAME, ignoreCache: true });
}
