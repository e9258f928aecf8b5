/**
 * The identity provider of the sandbox's cluster: mints web identity tokens and checks them as AWS STS does.
 *
 * RS256 only. Words of the refusals as AWS STS answers them
 * (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
 */
import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync, randomUUID, sign, verify } from 'node:crypto';
import type { SandboxClock } from './clock.ts';
import type { JsonObject } from './json-object.ts';
import { isJsonObject } from './json-object.ts';

export type TokenClaims = Readonly<Record<string, unknown>>;

export type TokenVerdict =
  | { readonly ok: true; readonly subject: string; readonly audience: string }
  | {
      readonly ok: false;
      readonly code: 'InvalidIdentityToken' | 'ExpiredTokenException' | 'AccessDenied';
      readonly message: string;
    };

export class IdentityProvider {
  readonly #clock: SandboxClock;
  readonly #keyId = randomUUID();
  readonly #subject: string;
  readonly #audience: string;
  /** Made at the first use: an RSA key takes a while. */
  #keys: { publicKey: KeyObject; privateKey: KeyObject } | undefined;
  /** Known once the STS port is. */
  issuer = '';

  constructor(clock: SandboxClock, subject: string, audience: string) {
    this.#clock = clock;
    this.#subject = subject;
    this.#audience = audience;
  }

  /** A signed JWT, valid for an hour; every claim can be replaced, `undefined` leaves it out. */
  issue(claims: TokenClaims = {}): string {
    const now = this.#clock.nowSeconds();
    const payload = {
      iss: this.issuer,
      sub: this.#subject,
      aud: [this.#audience],
      iat: now,
      nbf: now,
      exp: now + 3600,
      jti: randomUUID(),
      ...claims,
    };
    const signed = `${encode({ alg: 'RS256', typ: 'JWT', kid: this.#keyId })}.${encode(payload)}`;
    return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), this.#ensureKeys().privateKey).toString('base64url')}`;
  }

  /** `audience` is who the token has to be for. */
  verify(token: string, audience = this.#audience): TokenVerdict {
    const [head = '', body = '', signature = '', ...rest] = token.trim().split('.');
    const claims = decode(body);
    const header = decode(head);
    if (rest.length > 0 || claims === undefined || header === undefined || signature === '') {
      return invalid('The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)');
    }
    if (claims['iss'] !== this.issuer) {
      return invalid(`No OpenIDConnect provider found in your account for ${String(claims['iss'])}`);
    }
    const bytes = Buffer.from(`${head}.${body}`);
    const isGenuine =
      header['alg'] === 'RS256' &&
      verify('RSA-SHA256', bytes, this.#ensureKeys().publicKey, Buffer.from(signature, 'base64url'));
    if (!isGenuine) {
      return invalid(
        "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
      );
    }
    const timeFault = findTimeFault(claims, this.#clock.nowSeconds());
    if (timeFault !== undefined) return timeFault;
    const audiences: unknown[] = Array.isArray(claims['aud']) ? claims['aud'] : [claims['aud']];
    if (!audiences.includes(audience)) return invalid('Incorrect token audience');
    if (claims['sub'] !== this.#subject) {
      return { ok: false, code: 'AccessDenied', message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity' };
    }
    return { ok: true, subject: this.#subject, audience };
  }

  /** The discovery document and the key set, by path; undefined for another path. */
  document(path: string): unknown {
    if (path === '/.well-known/openid-configuration') {
      return {
        issuer: this.issuer,
        jwks_uri: `${this.issuer}/keys`,
        authorization_endpoint: 'urn:kubernetes:programmatic_authorization',
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        claims_supported: ['sub', 'iss'],
      };
    }
    if (path !== '/keys') return undefined;
    const jwk = this.#ensureKeys().publicKey.export({ format: 'jwk' });
    return { keys: [{ ...jwk, use: 'sig', alg: 'RS256', kid: this.#keyId }] };
  }

  #ensureKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
    this.#keys ??= generateKeyPairSync('rsa', { modulusLength: 2048 });
    return this.#keys;
  }
}

function findTimeFault(claims: TokenClaims, now: number): TokenVerdict | undefined {
  const { exp, nbf } = claims;
  if (typeof exp !== 'number') return invalid('Missing a required claim: exp');
  if (now >= exp) {
    const message = `Token expired: current date/time ${now} must be before the expiration date/time ${exp}`;
    return { ok: false, code: 'ExpiredTokenException', message };
  }
  return typeof nbf === 'number' && now < nbf ? invalid('Token is not yet valid') : undefined;
}

function invalid(message: string): TokenVerdict {
  return { ok: false, code: 'InvalidIdentityToken', message };
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
