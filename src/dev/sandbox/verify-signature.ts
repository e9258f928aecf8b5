/**
 * Verifies SigV4 as AWS does: signs the received request again with the key that it names, and compares.
 *
 * The signing is @aws-sdk/signature-v4 with @aws-crypto/sha256-js, neither of which the proxy uses. Presigned URLs are
 * not supported. Messages and error types are AWS's own, read in answers of AMP and of other services:
 * https://docs.aws.amazon.com/prometheus/latest/APIReference/CommonErrors.html and
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html. Like AMP's, the answer to a
 * wrong signature shows the canonical request, session token and all, so a client has to keep it out of its logs.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@aws-sdk/signature-v4';
import { canonicalRequest } from './canonical-request.ts';
import type { SandboxClock } from './clock.ts';
import { formatAmzDate, parseAmzDate } from './clock.ts';
import type { KnownKey, KnownKeys } from './credentials.ts';

/** The reason why a signature was refused. */
export type SignatureFault =
  | 'missing'
  | 'incomplete'
  | 'scope'
  | 'clock_skew'
  | 'unknown_key'
  | 'expired_token'
  | 'payload_hash'
  | 'mismatch';

export interface ReceivedRequest {
  readonly method: string;
  /** Path and query as they were on the wire. */
  readonly target: string;
  /** Lower-case names; repeated headers joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface SignatureRules {
  readonly region: string;
  readonly service: 'aps' | 'sts';
  readonly maxClockSkewMs: number;
}

export type SignatureVerdict =
  | { readonly ok: true; readonly key: KnownKey }
  | { readonly ok: false; readonly fault: SignatureFault; readonly errorType: string; readonly message: string };

interface Claim {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly terminator: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

const INVALID_SIGNATURE = 'InvalidSignatureException';
const MISMATCH =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key ' +
  'and signing method. Consult the service documentation for details.';

export async function verifySignature(
  request: ReceivedRequest,
  keys: KnownKeys,
  clock: SandboxClock,
  rules: SignatureRules,
): Promise<SignatureVerdict> {
  const authorization = request.headers['authorization'];
  if (authorization === undefined) {
    return refuse('missing', 'MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const amzDate = request.headers['x-amz-date'] ?? '';
  const signedAtMs = parseAmzDate(amzDate);
  const claim = parseAuthorization(authorization);
  if (typeof claim === 'string') return refuse('incomplete', 'IncompleteSignatureException', claim);
  if (signedAtMs === undefined) {
    const message = `Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256`;
    return refuse('incomplete', 'IncompleteSignatureException', message);
  }
  const scopeFault = findScopeFault(claim, amzDate, rules);
  if (scopeFault !== undefined) return refuse('scope', INVALID_SIGNATURE, scopeFault);
  const skewFault = findSkewFault(amzDate, signedAtMs, clock.nowMs(), rules.maxClockSkewMs);
  if (skewFault !== undefined) return refuse('clock_skew', INVALID_SIGNATURE, skewFault);

  const key = keys.find(claim.accessKeyId);
  if (key === undefined || key.sessionToken !== request.headers['x-amz-security-token']) {
    return refuse(
      'unknown_key',
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
    );
  }
  if (keys.isExpired(key)) {
    return refuse('expired_token', 'ExpiredTokenException', 'The security token included in the request is expired');
  }
  const bodyHash = createHash('sha256').update(request.body).digest('hex');
  const claimedHash = request.headers['x-amz-content-sha256'];
  const canonical = explain(request, claim, bodyHash);
  if (claimedHash !== undefined && claimedHash !== bodyHash)
    return refuse('payload_hash', INVALID_SIGNATURE, canonical);
  const expected = await signAnew(request, claim, key, new Date(signedAtMs));
  if (!sameText(expected, claim.signature)) return refuse('mismatch', INVALID_SIGNATURE, canonical);
  return { ok: true, key };
}

/** The signature that the request should carry, in hex. */
async function signAnew(request: ReceivedRequest, claim: Claim, key: KnownKey, signingDate: Date): Promise<string> {
  const signer = new SignatureV4({
    credentials: {
      accessKeyId: key.accessKeyId,
      secretAccessKey: key.secretAccessKey,
      ...(key.sessionToken === undefined ? {} : { sessionToken: key.sessionToken }),
    },
    region: claim.region,
    service: claim.service,
    sha256: Sha256,
    applyChecksum: false,
  });
  const url = new URL(request.target, 'http://sandbox.invalid');
  if (url.search !== '') {
    const bodyHash = createHash('sha256').update(request.body).digest('hex');
    const canonical = canonicalRequest(request, claim.signedHeaders, bodyHash);
    const hash = createHash('sha256').update(canonical).digest('hex');
    const scope = `${claim.date}/${claim.region}/${claim.service}/aws4_request`;
    const stringToSign = `AWS4-HMAC-SHA256\n${formatAmzDate(signingDate.getTime())}\n${scope}\n${hash}`;
    return signer.sign(stringToSign, { signingDate });
  }
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: 'http:',
      hostname: url.hostname,
      path: request.target.split('?', 1)[0] ?? '/',
      headers: Object.fromEntries(claim.signedHeaders.map((name) => [name, request.headers[name] ?? ''])),
      body: request.body,
    },
    { signingDate, signableHeaders: new Set(claim.signedHeaders) },
  );
  return /Signature=([0-9a-f]+)$/u.exec(signed.headers['authorization'] ?? '')?.[1] ?? '';
}

/** The parsed header, or AWS's sentences about what it lacks. */
function parseAuthorization(header: string): Claim | string {
  const [algorithm, ...rest] = header.trim().split(/\s+/u);
  if (algorithm !== 'AWS4-HMAC-SHA256') return `Unsupported Authorization algorithm`;
  const parts = new Map<string, string>();
  for (const part of rest.join(' ').split(',')) {
    const equals = part.indexOf('=');
    if (equals > 0) parts.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  const lacking = ['Credential', 'SignedHeaders', 'Signature'].filter((name) => !parts.has(name));
  if (lacking.length > 0) return lacking.map((name) => `Authorization header requires '${name}' parameter.`).join(' ');
  const scope = (parts.get('Credential') ?? '').split('/');
  const [accessKeyId, date, region, service, terminator] = scope;
  if (
    scope.length !== 5 ||
    accessKeyId === undefined ||
    date === undefined ||
    region === undefined ||
    service === undefined ||
    terminator === undefined
  ) {
    return 'Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.';
  }
  const signedHeaders = (parts.get('SignedHeaders') ?? '').toLowerCase().split(';');
  if (!signedHeaders.includes('host'))
    return `'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.`;
  return { accessKeyId, date, region, service, terminator, signedHeaders, signature: parts.get('Signature') ?? '' };
}

function findScopeFault(claim: Claim, amzDate: string, rules: SignatureRules): string | undefined {
  const faults: string[] = [];
  if (claim.region !== rules.region) faults.push('Credential should be scoped to a valid region. ');
  if (claim.service !== rules.service) {
    faults.push(`Credential should be scoped to correct service: '${rules.service}'. `);
  }
  if (claim.terminator !== 'aws4_request') {
    faults.push(`Credential should be scoped with a valid terminator: 'aws4_request', not '${claim.terminator}'. `);
  }
  const day = amzDate.slice(0, 8);
  if (claim.date !== day) {
    faults.push(
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${claim.date}' != '${day}', from '${amzDate}'.`,
    );
  }
  return faults.length === 0 ? undefined : faults.join('');
}

function findSkewFault(amzDate: string, signedAtMs: number, nowMs: number, maxSkewMs: number): string | undefined {
  const minutes = Math.round(maxSkewMs / 60_000);
  const now = formatAmzDate(nowMs);
  if (signedAtMs < nowMs - maxSkewMs) {
    return `Signature expired: ${amzDate} is now earlier than ${formatAmzDate(nowMs - maxSkewMs)} (${now} - ${minutes} min.)`;
  }
  if (signedAtMs > nowMs + maxSkewMs) {
    return `Signature not yet current: ${amzDate} is still later than ${formatAmzDate(nowMs + maxSkewMs)} (${now} + ${minutes} min.)`;
  }
  return undefined;
}

/** AWS's long text for a wrong signature: what it would have signed. */
function explain(request: ReceivedRequest, claim: Claim, bodyHash: string): string {
  const [path, query = ''] = request.target.split('?', 2);
  const names = claim.signedHeaders.toSorted();
  const canonical = [
    request.method,
    path,
    query,
    ...names.map((name) => `${name}:${(request.headers[name] ?? '').trim().replaceAll(/\s+/gu, ' ')}`),
    '',
    names.join(';'),
    bodyHash,
  ].join('\n');
  const scope = `${claim.date}/${claim.region}/${claim.service}/${claim.terminator}`;
  const canonicalHash = createHash('sha256').update(canonical).digest('hex');
  const stringToSign = `AWS4-HMAC-SHA256\n${request.headers['x-amz-date'] ?? ''}\n${scope}\n${canonicalHash}`;
  return `${MISMATCH}\n\nThe Canonical String for this request should have been\n'${canonical}'\n\nThe String-to-Sign should have been\n'${stringToSign}'\n`;
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function refuse(fault: SignatureFault, errorType: string, message: string): SignatureVerdict {
  return { ok: false, fault, errorType, message };
}
