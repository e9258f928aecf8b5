/**
 * The stand-in for AWS STS (Query protocol, version 2011-06-15), and on the same port the container credentials
 * endpoint of the EKS Pod Identity agent and the cluster's OIDC documents.
 *
 * Keys issued here are known to the workspace's signature check, with their expiry. Formats and codes:
 * https://docs.aws.amazon.com/STS/latest/APIReference/Welcome.html and
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html.
 */
import { randomUUID } from 'node:crypto';
import type { SandboxClock } from './clock.ts';
import type { KnownKey, KnownKeys, TemporaryKey } from './credentials.ts';
import type { FaultPlan } from './faults.ts';
import type { Ledger } from './ledger.ts';
import type { Answer, Handler } from './listener.ts';
import type { IdentityProvider } from './oidc.ts';
import type { ReceivedRequest, SignatureFault } from './verify-signature.ts';
import { verifySignature } from './verify-signature.ts';

/** Audience of a Pod Identity token (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html). */
export const POD_IDENTITY_AUDIENCE = 'pods.eks.amazonaws.com';

export interface StsParts {
  readonly region: string;
  readonly accountId: string;
  readonly keys: KnownKeys;
  readonly clock: SandboxClock;
  readonly provider: IdentityProvider;
  readonly ledger: Ledger;
  /** The only role that may be assumed; undefined is any. */
  readonly roleArn: string | undefined;
  /** The external id that AssumeRole requires; undefined means none. */
  readonly externalId: string | undefined;
  /** The lifetime of issued credentials when the caller asks for none, in seconds. */
  readonly lifetimeSeconds: number;
  readonly maxClockSkewMs: number;
}

class StsError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** STS names the faults of a signature in its own way. */
const SIGNATURE_CODES: Readonly<Record<SignatureFault, string>> = {
  missing: 'MissingAuthenticationToken',
  incomplete: 'IncompleteSignature',
  scope: 'SignatureDoesNotMatch',
  clock_skew: 'SignatureDoesNotMatch',
  unknown_key: 'InvalidClientTokenId',
  expired_token: 'ExpiredToken',
  payload_hash: 'SignatureDoesNotMatch',
  mismatch: 'SignatureDoesNotMatch',
};

export class StsHandler implements Handler {
  readonly #parts: StsParts;

  constructor(parts: StsParts) {
    this.#parts = parts;
  }

  async handle(request: ReceivedRequest, plan: FaultPlan): Promise<Answer> {
    const { pathname, searchParams } = new URL(request.target, 'http://sandbox.invalid');
    if (pathname === '/v1/credentials') return this.#containerCredentials(request, plan);
    const document = this.#parts.provider.document(pathname);
    if (document !== undefined) return json(200, document);
    if (request.method === 'POST') {
      for (const [name, value] of new URLSearchParams(request.body.toString())) searchParams.append(name, value);
    }
    const action = searchParams.get('Action') ?? 'none';
    try {
      const result = await this.#act(action, searchParams, request, plan);
      this.#parts.ledger.noteStsCall(action, 'ok');
      return xml(
        200,
        `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${result}</${action}Result>${metadata()}</${action}Response>`,
      );
    } catch (error) {
      if (!(error instanceof StsError)) throw error;
      this.#parts.ledger.noteStsCall(action, error.code);
      const detail = `<Type>Sender</Type>${element('Code', error.code)}${element('Message', error.message)}`;
      return xml(
        error.status,
        `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>${detail}</Error>${element('RequestId', randomUUID())}</ErrorResponse>`,
      );
    }
  }

  hasLabel(): boolean {
    return false;
  }

  onExchange(): void {
    // Calls are counted where their outcome is known.
  }

  async #act(action: string, form: URLSearchParams, request: ReceivedRequest, plan: FaultPlan): Promise<string> {
    switch (action) {
      case 'AssumeRoleWithWebIdentity':
        return this.#assumeRoleWithWebIdentity(form, plan);
      case 'AssumeRole':
        return this.#assumeRole(form, await this.#authenticate(request), plan);
      case 'GetCallerIdentity': {
        const { arn, accessKeyId } = await this.#authenticate(request);
        return element('Arn', arn) + element('UserId', accessKeyId) + element('Account', this.#parts.accountId);
      }
      default:
        throw new StsError(400, 'InvalidAction', `Could not find operation ${action} for version 2011-06-15`);
    }
  }

  #assumeRoleWithWebIdentity(form: URLSearchParams, plan: FaultPlan): string {
    const roleArn = required(form, 'RoleArn');
    const sessionName = required(form, 'RoleSessionName');
    const verdict = this.#parts.provider.verify(required(form, 'WebIdentityToken'));
    if (!verdict.ok) throw new StsError(verdict.code === 'AccessDenied' ? 403 : 400, verdict.code, verdict.message);
    if (this.#parts.roleArn !== undefined && this.#parts.roleArn !== roleArn) {
      throw new StsError(403, 'AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity');
    }
    return (
      this.#issue(roleArn, sessionName, form, plan) +
      element('SubjectFromWebIdentityToken', verdict.subject) +
      element('Audience', verdict.audience) +
      element('Provider', this.#parts.provider.issuer)
    );
  }

  #assumeRole(form: URLSearchParams, caller: KnownKey, plan: FaultPlan): string {
    const roleArn = required(form, 'RoleArn');
    const sessionName = required(form, 'RoleSessionName');
    const { externalId } = this.#parts;
    const isAllowed =
      (this.#parts.roleArn ?? roleArn) === roleArn &&
      (externalId === undefined || externalId === form.get('ExternalId'));
    if (!isAllowed) {
      const message = `User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`;
      throw new StsError(403, 'AccessDenied', message);
    }
    return this.#issue(roleArn, sessionName, form, plan);
  }

  async #authenticate(request: ReceivedRequest): Promise<KnownKey> {
    const { keys, clock, region, maxClockSkewMs } = this.#parts;
    const verdict = await verifySignature(request, keys, clock, { region, service: 'sts', maxClockSkewMs });
    if (verdict.ok) return verdict.key;
    throw new StsError(403, SIGNATURE_CODES[verdict.fault], verdict.message);
  }

  #issue(roleArn: string, sessionName: string, form: URLSearchParams, plan: FaultPlan): string {
    const arn = `${roleArn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${sessionName}`;
    const asked = Number(form.get('DurationSeconds') ?? this.#parts.lifetimeSeconds);
    const key = this.#parts.keys.issueTemporary(arn, lifetimeOf(plan, asked));
    const isEmpty = issuesEmpty(plan);
    const credentials =
      element('AccessKeyId', isEmpty ? '' : key.accessKeyId) +
      element('SecretAccessKey', isEmpty ? '' : key.secretAccessKey) +
      element('SessionToken', isEmpty ? '' : key.sessionToken) +
      element('Expiration', expiration(key));
    const user = `<AssumedRoleUser>${element('AssumedRoleId', `AROASANDBOX:${sessionName}`)}${element('Arn', arn)}</AssumedRoleUser>`;
    return `<Credentials>${credentials}</Credentials>${user}`;
  }

  #containerCredentials({ headers }: ReceivedRequest, plan: FaultPlan): Answer {
    const { provider, ledger, keys, accountId, lifetimeSeconds } = this.#parts;
    const verdict = provider.verify(headers['authorization'] ?? '', POD_IDENTITY_AUDIENCE);
    if (!verdict.ok) {
      ledger.noteStsCall('ContainerCredentials', verdict.code);
      return json(401, { code: 'AccessDeniedException', message: verdict.message });
    }
    ledger.noteStsCall('ContainerCredentials', 'ok');
    const arn = `arn:aws:sts::${accountId}:assumed-role/pod-identity/sandbox`;
    const key = keys.issueTemporary(arn, lifetimeOf(plan, lifetimeSeconds));
    const isEmpty = issuesEmpty(plan);
    return json(200, {
      AccessKeyId: isEmpty ? '' : key.accessKeyId,
      SecretAccessKey: isEmpty ? '' : key.secretAccessKey,
      Token: isEmpty ? '' : key.sessionToken,
      AccountId: accountId,
      Expiration: expiration(key),
    });
  }
}

function lifetimeOf({ action }: FaultPlan, askedSeconds: number): number {
  return action?.kind === 'credentials' ? (action.lifetimeSeconds ?? askedSeconds) : askedSeconds;
}

function issuesEmpty({ action }: FaultPlan): boolean {
  return action?.kind === 'credentials' && action.empty === true;
}

function expiration({ expiresAtMs }: TemporaryKey): string {
  return new Date(expiresAtMs).toISOString().replace(/\.\d{3}Z$/u, 'Z');
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (value !== null && value !== '') return value;
  const field = name.charAt(0).toLowerCase() + name.slice(1);
  const message = `1 validation error detected: Value null at '${field}' failed to satisfy constraint: Member must not be null`;
  throw new StsError(400, 'ValidationError', message);
}

function element(name: string, text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<${name}>${escaped}</${name}>`;
}

function metadata(): string {
  return `<ResponseMetadata>${element('RequestId', randomUUID())}</ResponseMetadata>`;
}

function xml(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/xml', 'x-amzn-requestid': randomUUID() }, body };
}

function json(status: number, body: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
