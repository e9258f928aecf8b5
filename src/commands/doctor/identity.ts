/** Checks the credentials that the proxy gets, and the identity that AWS sees behind them. */
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { credentialsSource } from '../../aws/credentials-source.ts';
import { shownWords } from '../../outcome/upstream-text.ts';
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
  const source = credentialsSource(sigv4, env);
  try {
    const identity = await makeProvider(sigv4, way, env)();
    const { expiration } = identity;
    const minutes = expiration === undefined ? undefined : Math.round((expiration.getTime() - Date.now()) / 60_000);
    const lifetime = minutes === undefined ? 'they do not expire' : `good for ${minutes} minutes`;
    return { result: ok('credentials', `from ${source.name}, ${lifetime}`), identity };
  } catch (error) {
    const { cause, remedy } = await source.explain(error);
    return { result: failed('credentials', `none from ${source.name}: ${cause}`, remedy), identity: undefined };
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
