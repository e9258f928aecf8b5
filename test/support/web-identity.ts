/**
 * The environment that Kubernetes gives a pod for IRSA or EKS Pod Identity, pointed at the sandbox's STS. The AWS SDK's
 * own chain reads it.
 */
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { temporaryDirectory } from './processes.ts';
import type { SandboxProcess } from './proxy.ts';

/** The audience that sandbox/sts.ts checks. */
const POD_IDENTITY_AUDIENCE = 'pods.eks.amazonaws.com';
export const ROLE_ARN = 'arn:aws:iam::123456789012:role/amp-write-proxy';

/** No other source of credentials of this machine may be found. */
export const NO_OTHER_SOURCE = {
  AWS_ACCESS_KEY_ID: '',
  AWS_SECRET_ACCESS_KEY: '',
  AWS_SESSION_TOKEN: '',
  AWS_PROFILE: '',
  AWS_CONFIG_FILE: '/nonexistent/config',
  AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials',
  AWS_EC2_METADATA_DISABLED: 'true',
};

/** The projected token of a service account, which the kubelet replaces by a rename. */
export class TokenFile {
  readonly path: string;
  readonly #sandbox: SandboxProcess;
  /** Every token that was in it. */
  readonly issued: string[] = [];

  constructor(file: string, sandbox: SandboxProcess) {
    this.path = file;
    this.#sandbox = sandbox;
  }

  async issue(claims: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.write(await this.#sandbox.client.issueWebIdentityToken(claims));
  }

  async write(text: string): Promise<void> {
    if (text !== '') this.issued.push(text);
    await writeFile(`${this.path}.new`, text, { mode: 0o600 });
    await rename(`${this.path}.new`, this.path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

/** Nothing is in it yet: it is missing until something is written. */
export async function makeTokenFile(sandbox: SandboxProcess): Promise<TokenFile> {
  return new TokenFile(path.join(await temporaryDirectory(), 'token'), sandbox);
}

export function irsaEnvironment(sandbox: SandboxProcess, token: TokenFile): Record<string, string> {
  return {
    ...NO_OTHER_SOURCE,
    AWS_REGION: sandbox.region,
    AWS_ENDPOINT_URL_STS: sandbox.stsUrl,
    AWS_ROLE_ARN: ROLE_ARN,
    AWS_WEB_IDENTITY_TOKEN_FILE: token.path,
  };
}

export function podIdentityEnvironment(sandbox: SandboxProcess, token: TokenFile): Record<string, string> {
  return {
    ...NO_OTHER_SOURCE,
    AWS_REGION: sandbox.region,
    AWS_ENDPOINT_URL_STS: sandbox.stsUrl,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${sandbox.stsUrl}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: token.path,
  };
}

export const POD_IDENTITY_CLAIMS = { aud: [POD_IDENTITY_AUDIENCE] };
