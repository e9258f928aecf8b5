/**
 * Where credentials come from: static keys, a profile, or the default chain of the AWS SDK (environment, web identity
 * token file, EKS Pod Identity, shared files, instance), with a role on top where one is configured.
 *
 * A provider is made anew for every refresh, so that nothing the SDK remembers can stand in the way of one. The region
 * is passed on to the SDK's own STS client, which falls back to us-east-1 otherwise.
 */
import { fromIni, fromNodeProviderChain, fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { Sigv4Config } from '../config/schema.ts';
import type { AwsIdentity } from './sigv4.ts';

export interface ExpiringIdentity extends AwsIdentity {
  readonly expiration?: Date | undefined;
}

export type CredentialProvider = () => Promise<ExpiringIdentity>;

/** Shows up in CloudTrail. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
const ROLE_SESSION_NAME = 'amp-write-proxy';

export function makeProvider(sigv4: Sigv4Config): CredentialProvider {
  const clientConfig = { region: sigv4.region, useFipsEndpoint: sigv4.use_fips_sts_endpoint };
  const base = baseProvider(sigv4, clientConfig);
  if (sigv4.role_arn === undefined) return base;
  return fromTemporaryCredentials({
    masterCredentials: base,
    params: {
      RoleArn: sigv4.role_arn,
      RoleSessionName: ROLE_SESSION_NAME,
      ...(sigv4.external_id === undefined ? {} : { ExternalId: sigv4.external_id }),
    },
    clientConfig,
  });
}

function baseProvider(
  sigv4: Sigv4Config,
  clientConfig: { region: string; useFipsEndpoint: boolean },
): () => Promise<{ accessKeyId: string; secretAccessKey: string; sessionToken?: string; expiration?: Date }> {
  const { access_key: accessKeyId, secret_key: secretAccessKey, profile } = sigv4;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return () => Promise.resolve({ accessKeyId, secretAccessKey });
  }
  if (profile !== undefined) return fromIni({ profile, clientConfig, ignoreCache: true });
  return fromNodeProviderChain({ clientConfig, roleSessionName: ROLE_SESSION_NAME, ignoreCache: true });
}
