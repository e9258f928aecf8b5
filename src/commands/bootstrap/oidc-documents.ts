/**
 * Discovery document and key set (JWKS) of a cluster whose issuer the internet cannot reach, ready to be uploaded to
 * where the issuer URL points. IAM reads both to check the tokens of pods.
 *
 * They only ever hold public keys: a private key that is given by mistake is refused.
 * https://openid.net/specs/openid-connect-discovery-1_0.html and
 * https://anywhere.eks.amazonaws.com/docs/getting-started/optional/irsa/
 */
import { execFile } from 'node:child_process';
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { z } from 'zod';

import { BootstrapError, UsageError } from './errors.ts';
import { wrap } from './screen.ts';

export interface OidcDocumentsOptions {
  readonly issuerUrl: string;
  readonly publicKeyFile: string | undefined;
  readonly jwksFile: string | undefined;
  readonly outDirectory: string;
}

export interface OidcDocuments {
  readonly discovery: Readonly<Record<string, unknown>>;
  readonly jwks: { readonly keys: readonly PublicJwk[] };
}

type PublicJwk = Readonly<Record<string, unknown>>;

const DISCOVERY_PATH = '.well-known/openid-configuration';
const JWKS_PATH = 'keys.json';

/** @returns the files that were written. @throws BootstrapError, UsageError */
export async function writeOidcDocuments(options: OidcDocumentsOptions): Promise<string[]> {
  const documents = makeOidcDocuments(options.issuerUrl, await readKeys(options));
  const files: [string, unknown][] = [
    [DISCOVERY_PATH, documents.discovery],
    [JWKS_PATH, documents.jwks],
  ];
  await mkdir(join(options.outDirectory, '.well-known'), { recursive: true });
  for (const [path, content] of files) {
    await writeFile(join(options.outDirectory, path), `${JSON.stringify(content, null, 2)}\n`);
  }
  return files.map(([path]) => join(options.outDirectory, path));
}

/** Pure: issuer and keys -> both documents. */
export function makeOidcDocuments(issuerUrl: string, keys: readonly PublicJwk[]): OidcDocuments {
  const issuer = issuerUrl.replace(/\/+$/u, '');
  const algorithms = [...new Set(keys.map(({ alg }) => String(alg)))];
  return {
    discovery: {
      issuer,
      jwks_uri: `${issuer}/${JWKS_PATH}`,
      authorization_endpoint: 'urn:kubernetes:programmatic_authorization',
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: algorithms,
      claims_supported: ['sub', 'iss'],
    },
    jwks: { keys },
  };
}

/** Explains where to put them, and what must be true of the cluster and of IAM. */
export function explainUpload(issuerUrl: string, outDirectory: string): string {
  const issuer = issuerUrl.replace(/\/+$/u, '');
  const { hostname, pathname } = new URL(issuer);
  const bucket = /^(.+)\.s3[.-]/u.exec(hostname)?.[1] ?? 'BUCKET';
  const prefix = pathname === '/' ? '' : pathname;
  const type = '--content-type application/json';
  return `
${wrap(`Upload both files so that these answer without a login, over https with a certificate of a public authority:`)}

${wrap(`${issuer}/${DISCOVERY_PATH}`, '    ')}
${wrap(`${issuer}/${JWKS_PATH}`, '    ')}

With an S3 bucket whose policy lets everybody read these two objects:

    aws s3 cp ${type} \\
      ${outDirectory}/${DISCOVERY_PATH} \\
      s3://${bucket}${prefix}/${DISCOVERY_PATH}
    aws s3 cp ${type} \\
      ${outDirectory}/${JWKS_PATH} \\
      s3://${bucket}${prefix}/${JWKS_PATH}

The cluster's API server has to issue tokens under this very name:

    --service-account-issuer=\\
    ${issuer}

(EKS Anywhere: podIamConfig.serviceAccountIssuer in the cluster's spec.)
Pods get their token and AWS_ROLE_ARN from amazon-eks-pod-identity-webhook.
Then make the provider in IAM together with the rest:

    amp-write-proxy bootstrap apply --create-oidc-provider --oidc-issuer \\
      ${issuer}
`;
}

async function readKeys({ publicKeyFile, jwksFile }: OidcDocumentsOptions): Promise<PublicJwk[]> {
  if (publicKeyFile !== undefined && jwksFile !== undefined) {
    throw new UsageError('--public-key and --jwks both name the keys: give one of them');
  }
  if (publicKeyFile !== undefined) return keysOfPem(await readText(publicKeyFile), publicKeyFile);
  if (jwksFile !== undefined) return keysOfJwks(await readText(jwksFile), jwksFile);
  return keysOfJwks(await askKubectl(), 'kubectl get --raw /openid/v1/jwks');
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function askKubectl(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('kubectl', ['get', '--raw', '/openid/v1/jwks'], { timeout: 30_000 });
    return stdout;
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error);
    throw new BootstrapError(
      'KUBECTL',
      `kubectl get --raw /openid/v1/jwks: ${reason}`,
      "Point kubectl at the cluster (KUBECONFIG), or give the cluster's public key: --public-key sa.pub (kubeadm keeps it in /etc/kubernetes/pki), or --jwks FILE.",
    );
  }
}

/** A file may hold several keys: during a rotation both are in force. */
function keysOfPem(text: string, source: string): PublicJwk[] {
  if (/PRIVATE KEY/u.test(text)) {
    throw new UsageError(`${source} holds a private key, which must never leave the cluster; give the public one`);
  }
  const blocks = text.match(/-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----/gu) ?? [];
  if (blocks.length === 0) throw new UsageError(`${source} holds no public key in PEM form`);
  return blocks.map((block) => {
    try {
      return jwkOf(createPublicKey(block));
    } catch (error) {
      throw new UsageError(`${source}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
}

const jwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) });

/** The members of private and symmetric keys. */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

function keysOfJwks(text: string, source: string): PublicJwk[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new UsageError(`${source}: it is no JSON`);
  }
  const parsed = jwksSchema.safeParse(content);
  if (!parsed.success) throw new UsageError(`${source}: it is no key set, which has keys: [{kty: ...}]`);
  for (const key of parsed.data.keys) {
    if (SECRET_MEMBERS.some((member) => member in key)) {
      throw new UsageError(`${source} holds a private key, which must never leave the cluster; give the public ones`);
    }
  }
  return parsed.data.keys;
}

/** Kubernetes names a key by the SHA-256 of its DER form (pkg/serviceaccount, keyIDFromPublicKey). */
function jwkOf(key: KeyObject): PublicJwk {
  const kid = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  const curves: Readonly<Record<string, string>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
  const jwk = key.export({ format: 'jwk' });
  const alg = jwk.kty === 'RSA' ? 'RS256' : curves[jwk.crv ?? ''];
  if (alg === undefined)
    throw new Error(`a key of type ${jwk.kty} ${jwk.crv ?? ''} is none that Kubernetes signs with`);
  return { ...jwk, use: 'sig', alg, kid };
}
