/** Credentials as the proxy gets them, and who they are to AWS. */
import { readFile } from 'node:fs/promises';

import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { z } from 'zod';

import { shownWords } from '../bootstrap/aws-words.ts';
import type { Environment } from '../../config/environment.ts';
import type { Sigv4Config } from '../../config/schema.ts';
import type { ExpiringIdentity } from '../../aws/provider.ts';
import { awsRequestHandler, type WayToAws } from '../../aws/aws-http.ts';
import { makeProvider, stsRegion } from '../../aws/provider.ts';
import type { CheckResult } from './check.ts';
import { failed, ok, warning } from './check.ts';

export interface CredentialsCheck {
  readonly result: CheckResult;
  readonly identity: ExpiringIdentity | undefined;
}

export async function checkCredentials(sigv4: Sigv4Config, way: WayToAws, env: Environment): Promise<CredentialsCheck> {
  const source = sourceOf(sigv4, env);
  try {
    const identity = await makeProvider(sigv4, way, env)();
    const { expiration } = identity;
    const minutes = expiration === undefined ? undefined : Math.round((expiration.getTime() - Date.now()) / 60_000);
    const lifetime = minutes === undefined ? 'they do not expire' : `good for ${minutes} minutes`;
    return { result: ok('credentials', `from ${source}, ${lifetime}`), identity };
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${shownWords(error.message)}` : 'unknown';
    const remedy = await remedyOf(message, env);
    return { result: failed('credentials', `none from ${source}: ${message}`, remedy), identity: undefined };
  }
}

export async function checkCaller(
  identity: ExpiringIdentity,
  sigv4: Sigv4Config,
  way: WayToAws,
  env: Environment,
): Promise<CheckResult> {
  const region = stsRegion(sigv4, env);
  const { accessKeyId, secretAccessKey, sessionToken } = identity;
  const credentials = {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
  };
  const client = new STSClient({
    region,
    credentials,
    maxAttempts: 2,
    requestHandler: awsRequestHandler(way, { connectionMs: 3_000, requestMs: 5_000 }),
  });
  try {
    const { Arn: arn } = await client.send(new GetCallerIdentityCommand({}));
    return ok('identity', arn ?? 'unknown');
  } catch (error) {
    const name = error instanceof Error ? error.name : 'Error';
    const message = `${name}: ${shownWords(error instanceof Error ? error.message : String(error))}`;
    if (/InvalidClientTokenId|ExpiredToken|SignatureDoesNotMatch|UnrecognizedClient/u.test(name)) {
      return failed('identity', `STS refuses them: ${message}`, 'They are expired, deleted or mistyped: get new ones.');
    }
    const remedy = `Harmless where the network lets only AMP through; else check the way to sts.${region}.amazonaws.com.`;
    return warning('identity', `STS cannot be asked who they are: ${message}`, remedy);
  } finally {
    client.destroy();
  }
}

function sourceOf(sigv4: Sigv4Config, env: Environment): string {
  const onTop = sigv4.role_arn === undefined ? '' : `, then the role ${sigv4.role_arn}`;
  if (sigv4.access_key !== undefined) return `sigv4.access_key${onTop}`;
  if (sigv4.profile !== undefined) return `the profile ${sigv4.profile}${onTop}`;
  if (isSet(env['AWS_ACCESS_KEY_ID'])) return `AWS_ACCESS_KEY_ID${onTop}`;
  if (isSet(env['AWS_WEB_IDENTITY_TOKEN_FILE'])) return `web identity (IRSA) as ${env['AWS_ROLE_ARN']}${onTop}`;
  if (isSet(env['AWS_CONTAINER_CREDENTIALS_FULL_URI'])) return `the EKS Pod Identity agent${onTop}`;
  return `the default chain of AWS${onTop}`;
}

async function remedyOf(message: string, env: Environment): Promise<string> {
  const tokenFile = env['AWS_WEB_IDENTITY_TOKEN_FILE'];
  if (isSet(tokenFile)) {
    const says = await describeToken(tokenFile);
    if (says === undefined) {
      return `The token file ${tokenFile} cannot be read: the pod's volume aws-iam-token is missing, or its mode does not let this user read it (fsGroup).`;
    }
    if (/No OpenIDConnect provider/u.test(message)) {
      return `IAM has no OIDC provider for the token's issuer. ${says} Make it: amp-write-proxy bootstrap apply --create-oidc-provider.`;
    }
    if (/Incorrect token audience/u.test(message)) {
      return `The OIDC provider in IAM lacks the token's audience among its client ids. ${says}`;
    }
    if (/Not authorized to perform sts:AssumeRoleWithWebIdentity|AccessDenied/u.test(message)) {
      return `The role's trust policy does not let this service account in. ${says} Compare: amp-write-proxy bootstrap status.`;
    }
    return `${says} Check AWS_ROLE_ARN, and the way to STS.`;
  }
  if (isSet(env['AWS_CONTAINER_CREDENTIALS_FULL_URI'])) {
    return 'Check that the eks-pod-identity-agent runs on this node, that the association names this namespace and service account, and that a NetworkPolicy lets 169.254.170.23 port 80 through.';
  }
  return 'On EKS the pod has neither AWS_WEB_IDENTITY_TOKEN_FILE (IRSA: annotate the service account with eks.amazonaws.com/role-arn, then restart the pod) nor AWS_CONTAINER_CREDENTIALS_FULL_URI (Pod Identity: make the association, then restart the pod). Elsewhere give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.';
}

/** Issuer, subject and audience of the token; they are no secret, the token is. */
async function describeToken(file: string): Promise<string | undefined> {
  try {
    const token = await readFile(file, 'utf8');
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const parsed = z.object({ iss: z.unknown(), sub: z.unknown(), aud: z.unknown() }).safeParse(claims);
    if (!parsed.success) return 'The token file holds no token of Kubernetes.';
    const { iss, sub, aud } = parsed.data;
    return `The token says iss ${JSON.stringify(iss)}, sub ${JSON.stringify(sub)}, aud ${JSON.stringify(aud)}.`;
  } catch (error) {
    return error instanceof SyntaxError ? 'The token file holds no token of Kubernetes.' : undefined;
  }
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
