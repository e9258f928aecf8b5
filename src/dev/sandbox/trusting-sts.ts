/**
 * An STS that answers AssumeRoleWithWebIdentity as AWS does with a real role: the token has to be genuine and in time,
 * the issuer's provider has to be in IAM with the token's audience, and the role's own trust policy decides.
 *
 * Where the sandbox's STS takes one subject and one audience from its options, this one is given roles and providers as
 * IAM holds them. The sandbox's workspace knows the keys that it issues.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 */
import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync, randomUUID, sign, verify } from 'node:crypto';
import { createServer } from 'node:http';

import type { KnownKeys } from './credentials.ts';
import type { JsonObject } from './json-object.ts';
import { isJsonObject } from './json-object.ts';
import { portOf } from './listener.ts';
import { isTrusted } from './trust-policy.ts';

export interface IamView {
  readonly accountId: string;
  /** Trust policy by role ARN, parsed. */
  readonly trustByRole: ReadonlyMap<string, unknown>;
  /** Client ids by issuer, which is without https://. */
  readonly clientIdsByIssuer: ReadonlyMap<string, readonly string[]>;
}

export interface TrustingSts {
  readonly url: string;
  /** `ok` or the code of the refusal, for each call. */
  readonly verdicts: readonly string[];
  /** A token as the cluster's API server projects it. */
  issueToken(claims: { readonly iss: string; readonly sub: string; readonly aud: string }): string;
  /** The same claims under a key that the issuer does not have. */
  forgeToken(claims: { readonly iss: string; readonly sub: string; readonly aud: string }): string;
  close(): Promise<void>;
}

export async function startTrustingSts(iam: IamView, keys: KnownKeys): Promise<TrustingSts> {
  const cluster = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const verdicts: string[] = [];
  const server = createServer((request, response) => {
    void (async (): Promise<void> => {
      const chunks: Buffer[] = [];
      // An IncomingMessage without an encoding yields Buffers.
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const verdict = judge(form, iam, cluster.publicKey);
      verdicts.push(verdict.code);
      const body = verdict.code === 'ok' ? issue(form, verdict.subject, keys) : refusal(verdict);
      response.writeHead(verdict.status, { 'content-type': 'text/xml' }).end(body);
    })();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    verdicts,
    issueToken: (claims) => makeToken(claims, cluster.privateKey),
    forgeToken: (claims) => makeToken(claims, stranger.privateKey),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Verdict {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly subject: string;
}

function judge(form: URLSearchParams, iam: IamView, publicKey: KeyObject): Verdict {
  if (form.get('Action') !== 'AssumeRoleWithWebIdentity') {
    return refuse(400, 'InvalidAction', `Could not find operation ${form.get('Action')}`);
  }
  const [head = '', body = '', signature = ''] = (form.get('WebIdentityToken') ?? '').split('.');
  const claims = decode(body);
  if (claims === undefined) return refuse(400, 'InvalidIdentityToken', 'The ID Token provided is not a valid JWT.');
  const { iss, sub, exp } = claims;
  const audience = String([claims['aud']].flat()[0]);
  const issuer = String(iss);
  const clientIds = iam.clientIdsByIssuer.get(issuer.replace(/^https:\/\//u, ''));
  if (clientIds === undefined) {
    return refuse(400, 'InvalidIdentityToken', `No OpenIDConnect provider found in your account for ${issuer}`);
  }
  const isGenuine = verify(
    'RSA-SHA256',
    Buffer.from(`${head}.${body}`),
    publicKey,
    Buffer.from(signature, 'base64url'),
  );
  if (!isGenuine)
    return refuse(400, 'InvalidIdentityToken', "Couldn't retrieve verification key from your identity provider");
  if (typeof exp !== 'number' || exp * 1000 <= Date.now()) return refuse(400, 'ExpiredTokenException', 'Token expired');
  if (!clientIds.includes(audience)) return refuse(400, 'InvalidIdentityToken', 'Incorrect token audience');
  const trust = iam.trustByRole.get(form.get('RoleArn') ?? '');
  if (!isTrusted(trust, iam.accountId, { issuer, subject: String(sub), audience })) {
    return refuse(403, 'AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity');
  }
  return { status: 200, code: 'ok', message: '', subject: String(sub) };
}

function refuse(status: number, code: string, message: string): Verdict {
  return { status, code, message, subject: '' };
}

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';

function refusal({ code, message }: Verdict): string {
  return `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`;
}

function issue(form: URLSearchParams, subject: string, keys: KnownKeys): string {
  const session = form.get('RoleSessionName') ?? 'session';
  const arn = `${(form.get('RoleArn') ?? '').replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${session}`;
  const key = keys.issueTemporary(arn, 3600);
  const expiration = new Date(key.expiresAtMs).toISOString();
  const credentials = `<AccessKeyId>${key.accessKeyId}</AccessKeyId><SecretAccessKey>${key.secretAccessKey}</SecretAccessKey><SessionToken>${key.sessionToken}</SessionToken><Expiration>${expiration}</Expiration>`;
  const result = `<Credentials>${credentials}</Credentials><AssumedRoleUser><AssumedRoleId>AROASANDBOX:${session}</AssumedRoleId><Arn>${arn}</Arn></AssumedRoleUser><SubjectFromWebIdentityToken>${subject}</SubjectFromWebIdentityToken>`;
  return `<AssumeRoleWithWebIdentityResponse xmlns="${NAMESPACE}"><AssumeRoleWithWebIdentityResult>${result}</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
}

function makeToken(claims: JsonObject, privateKey: KeyObject): string {
  const now = Math.floor(Date.now() / 1000);
  const payload = { iat: now, nbf: now, exp: now + 3600, ...claims };
  const signed = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(payload)}`;
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
