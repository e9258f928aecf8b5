/** The STS that enforces a trust policy, asked by the SDK's own client. */
import { AssumeRoleWithWebIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { SandboxClock } from '../../../src/dev/sandbox/clock.ts';
import { KnownKeys } from '../../../src/dev/sandbox/credentials.ts';
import { startTrustingSts, type TrustingSts } from '../../../src/dev/sandbox/trusting-sts.ts';

const ISSUER = 'oidc.example.com/id/A';
const ROLE = 'arn:aws:iam::123456789012:role/writer';
const CLAIMS = { iss: `https://${ISSUER}`, sub: 'system:serviceaccount:ns:sa', aud: 'sts.amazonaws.com' };

const TRUST = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Federated: `arn:aws:iam::123456789012:oidc-provider/${ISSUER}` },
      Action: 'sts:AssumeRoleWithWebIdentity',
      Condition: { StringEquals: { [`${ISSUER}:sub`]: CLAIMS.sub, [`${ISSUER}:aud`]: CLAIMS.aud } },
    },
  ],
};

describe('the STS that enforces a trust policy', () => {
  let sts: TrustingSts;
  let keys: KnownKeys;
  let client: STSClient;

  beforeEach(async () => {
    keys = new KnownKeys(new SandboxClock(), 'AKIASTATIC', 'static');
    const iam = {
      accountId: '123456789012',
      trustByRole: new Map([[ROLE, TRUST]]),
      clientIdsByIssuer: new Map([[ISSUER, ['sts.amazonaws.com', 'vault']]]),
    };
    sts = await startTrustingSts(iam, keys);
    client = new STSClient({ endpoint: sts.url, region: 'us-west-2', maxAttempts: 1 });
  });
  afterEach(async () => {
    client.destroy();
    await sts.close();
  });

  const assume = async (token: string, roleArn = ROLE): Promise<string | undefined> => {
    const input = { RoleArn: roleArn, RoleSessionName: 'test', WebIdentityToken: token };
    return (await client.send(new AssumeRoleWithWebIdentityCommand(input))).Credentials?.AccessKeyId;
  };

  test('lets in the one that the policy names, with keys that the workspace knows', async () => {
    const accessKeyId = await assume(sts.issueToken(CLAIMS));
    expect(keys.find(accessKeyId ?? '')?.arn).toBe('arn:aws:sts::123456789012:assumed-role/writer/test');
  });

  test('refuses everybody else, each in the words of AWS', async () => {
    const cases: readonly [string, string, string?][] = [
      [sts.issueToken({ ...CLAIMS, sub: 'system:serviceaccount:ns:other' }), 'AccessDenied'],
      [sts.issueToken({ ...CLAIMS, aud: 'vault' }), 'AccessDenied'],
      [sts.issueToken({ ...CLAIMS, aud: 'unknown' }), 'InvalidIdentityToken'],
      [sts.issueToken({ ...CLAIMS, iss: 'https://elsewhere' }), 'InvalidIdentityToken'],
      [sts.forgeToken(CLAIMS), 'InvalidIdentityToken'],
      [sts.issueToken(CLAIMS), 'AccessDenied', 'arn:aws:iam::123456789012:role/another'],
      ['no-token', 'InvalidIdentityToken'],
    ];
    for (const [token, code, role] of cases) {
      const refused = await assume(token, role).catch((error: unknown) => String(error));
      expect(refused).toContain(code);
    }
    expect(sts.verdicts).not.toContain('ok');
  });
});
