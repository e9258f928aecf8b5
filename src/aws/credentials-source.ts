/**
 * Where the credentials of an entry come from, in words, and why none came: the log, the readiness, the status page and
 * the doctor all say the same. Nothing secret is in it: of a token only its claims are told.
 */
import { readFile } from 'node:fs/promises';
import type { Environment } from '../config/environment.ts';
import type { Sigv4Config } from '../config/schema.ts';
import { withoutNodeFlags } from '../outcome/explain.ts';
import { redact } from '../outcome/redact.ts';

export interface CredentialsFailure {
  readonly cause: string;
  readonly remedy: string;
}

export interface CredentialsSource {
  /** Such as `web identity (IRSA) as arn:aws:iam::123456789012:role/NAME`. */
  readonly name: string;
  /** @param error what the provider threw; an error of AWS has the name of its code */
  explain(error: unknown): Promise<CredentialsFailure>;
}

export function credentialsSource(
  sigv4: Pick<Sigv4Config, 'access_key' | 'profile' | 'role_arn'>,
  env: Environment,
  nowMs: () => number = Date.now,
): CredentialsSource {
  return {
    name: nameOf(sigv4, env),
    explain: async (error) => explain(causeOf(error), sigv4, env, nowMs()),
  };
}

function nameOf(sigv4: Pick<Sigv4Config, 'access_key' | 'profile' | 'role_arn'>, env: Environment): string {
  const onTop = sigv4.role_arn === undefined ? '' : `, then the role ${sigv4.role_arn}`;
  if (sigv4.access_key !== undefined) return `sigv4.access_key${onTop}`;
  if (sigv4.profile !== undefined) return `the profile ${sigv4.profile}${onTop}`;
  if (isSet(env['AWS_ACCESS_KEY_ID'])) return `AWS_ACCESS_KEY_ID${onTop}`;
  if (isSet(env['AWS_WEB_IDENTITY_TOKEN_FILE'])) return `web identity (IRSA) as ${env['AWS_ROLE_ARN']}${onTop}`;
  const agent = env['AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  if (isSet(agent)) return `the EKS Pod Identity agent at ${agent}${onTop}`;
  return `the default chain of AWS${onTop}`;
}

/** Longer than any sentence of AWS with a role and a session in it. */
const LONGEST_CAUSE = 400;

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return redact(String(error), LONGEST_CAUSE);
  const name = error.name === 'Error' ? '' : `${error.name}: `;
  return redact(`${name}${withoutNodeFlags(error.message)}`, LONGEST_CAUSE);
}

async function explain(
  cause: string,
  sigv4: Pick<Sigv4Config, 'access_key' | 'profile'>,
  env: Environment,
  nowMs: number,
): Promise<CredentialsFailure> {
  if (/white space/u.test(cause)) return { cause, remedy: WHITE_SPACE };
  if (/self-signed|unable to (?:get|verify)/iu.test(cause)) return { cause, remedy: UNTRUSTED };
  if (sigv4.access_key !== undefined) return { cause, remedy: 'Check sigv4.access_key, secret_key and role_arn.' };
  if (sigv4.profile !== undefined)
    return { cause, remedy: 'Check the profile in AWS_CONFIG_FILE and the shared files.' };
  const tokenFile = env['AWS_WEB_IDENTITY_TOKEN_FILE'];
  if (isSet(tokenFile)) return explainWebIdentity(cause, tokenFile, nowMs);
  if (isSet(env['AWS_CONTAINER_CREDENTIALS_FULL_URI'])) return { cause, remedy: POD_IDENTITY };
  return { cause, remedy: NO_SOURCE };
}

const WHITE_SPACE = 'A line end in a Secret or in a variable? Remove it: keys have no white space in them.';

const UNTRUSTED =
  'Something on the way to STS shows a certificate of its own (a gateway that inspects TLS?): give the PEM of its authority as tls_config.ca_file.';

const POD_IDENTITY =
  'Check that the eks-pod-identity-agent runs on this node, that the association names this namespace and service account, and that a NetworkPolicy lets 169.254.170.23 port 80 through.';

const NO_SOURCE =
  'On EKS the pod has neither AWS_WEB_IDENTITY_TOKEN_FILE (IRSA: annotate the service account with eks.amazonaws.com/role-arn, then restart the pod) nor AWS_CONTAINER_CREDENTIALS_FULL_URI (Pod Identity: make the association, then restart the pod). Elsewhere give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.';

async function explainWebIdentity(cause: string, tokenFile: string, nowMs: number): Promise<CredentialsFailure> {
  const token = await readToken(tokenFile);
  if (token === 'unreadable') {
    const remedy = `The token file ${tokenFile} cannot be read: the pod's volume aws-iam-token is missing, or its mode does not let this user read it (fsGroup).`;
    return { cause, remedy };
  }
  if (token === 'no token') return { cause, remedy: 'The token file holds no token of Kubernetes.' };
  const { iss, sub, aud, exp } = token;
  if (exp !== undefined && exp * 1000 <= nowMs) {
    const at = new Date(exp * 1000).toISOString();
    return {
      cause: `the web identity token in ${tokenFile} expired at ${at} (exp): ${cause}`,
      remedy:
        "The kubelet renews it in a projected volume: see why it does not (a copy of the token, a subPath mount, the node's kubelet, this machine's clock), then restart the pod.",
    };
  }
  const says = `The token says iss ${JSON.stringify(iss)}, sub ${JSON.stringify(sub)}, aud ${JSON.stringify(aud)}.`;
  if (/No OpenIDConnect provider/u.test(cause)) {
    const remedy = `IAM has no OIDC provider for the token's issuer. ${says} Make it: amp-write-proxy bootstrap apply --create-oidc-provider.`;
    return { cause, remedy };
  }
  if (/Incorrect token audience/u.test(cause)) {
    return { cause, remedy: `The OIDC provider in IAM lacks the token's audience among its client ids. ${says}` };
  }
  if (/Not authorized to perform sts:AssumeRoleWithWebIdentity|AccessDenied/u.test(cause)) {
    const remedy = `The role's trust policy does not let this service account in. ${says} Compare: amp-write-proxy bootstrap status.`;
    return { cause, remedy };
  }
  return { cause, remedy: `${says} Check AWS_ROLE_ARN, and the way to STS.` };
}

/** The claims that are no secret; the token is. https://www.rfc-editor.org/rfc/rfc7519#section-4.1 */
interface Claims {
  readonly iss: unknown;
  readonly sub: unknown;
  readonly aud: unknown;
  /** Seconds since the epoch. */
  readonly exp: number | undefined;
}

async function readToken(file: string): Promise<Claims | 'unreadable' | 'no token'> {
  let token: string;
  try {
    token = await readFile(file, 'utf8');
  } catch {
    return 'unreadable';
  }
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    if (typeof claims !== 'object' || claims === null) return 'no token';
    const { iss, sub, aud, exp }: Partial<Record<keyof Claims, unknown>> = claims;
    return { iss, sub, aud, exp: typeof exp === 'number' ? exp : undefined };
  } catch {
    return 'no token';
  }
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
