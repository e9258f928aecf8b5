/**
 * sign: SigV4 over a fixed small set of headers, fresh for every attempt.
 *
 * Nothing of a sender's request is signed or forwarded: host, content type and encoding, the remote-write version and
 * x-amz-* are all there is, so that no hop that touches other headers can break the signature.
 *
 * Requests to one URL differ in body, time and identity only, so the rest of the canonical request is written once, and
 * the key derived once for an identity and a day. Each signature then takes four hashes and no promise;
 * bench/micro/sign.ts compares that with a general signer.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { hash } from 'node:crypto';
import { SigningKey } from './signing-key.ts';

export interface AwsIdentity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const CONTENT_TYPE = 'application/x-protobuf';
const CONTENT_ENCODING = 'snappy';
const REMOTE_WRITE_VERSION = '0.1.0';

/** The parts that are the same for all signatures of an identity on one day. */
interface DayOfIdentity {
  readonly identity: AwsIdentity;
  /** YYYYMMDD, UTC. */
  readonly day: string;
  readonly key: SigningKey;
  readonly scope: string;
  /** The session token of temporary credentials. */
  readonly token: string | undefined;
  /** The canonical request from behind the time to before the hash of the body. */
  readonly canonicalEnd: string;
  /** The Authorization header up to the signature. */
  readonly authorization: string;
}

/** Signs remote_write requests to one URL. */
export class RemoteWriteSigner {
  readonly #region: string;
  readonly #service: string;
  readonly #host: string;
  /** The canonical request up to the time among the headers. */
  readonly #canonicalStart: string;
  #day: DayOfIdentity | undefined;
  #second = Number.NaN;
  #time = '';

  /**
   * @param region of the workspace, for the credential scope
   * @param service likewise; the default is Amazon Managed Service for Prometheus
   */
  constructor(url: URL, region: string, service = 'aps') {
    this.#region = region;
    this.#service = service;
    this.#host = url.host;
    // The empty line is the query string. Headers are sorted by name.
    this.#canonicalStart = [
      'POST',
      canonicalPath(url.pathname),
      '',
      `content-encoding:${CONTENT_ENCODING}`,
      `content-type:${CONTENT_TYPE}`,
      `host:${url.host}`,
      'x-amz-content-sha256:',
    ].join('\n');
  }

  /**
   * @param now the time by the upstream's clock
   * @returns the request's headers as a flat list of names and values, `host` first
   */
  sign(body: Uint8Array, identity: AwsIdentity, now: Date): string[] {
    const time = this.#timeOf(now);
    const { key, scope, token, canonicalEnd, authorization } = this.#dayOf(identity, time.slice(0, 8));
    const bodyHash = hash('sha256', body);
    const canonical = `${this.#canonicalStart}${bodyHash}\nx-amz-date:${time}${canonicalEnd}${bodyHash}`;
    const stringToSign = `${ALGORITHM}\n${time}\n${scope}\n${hash('sha256', canonical)}`;
    const headers = [
      'host',
      this.#host,
      'content-type',
      CONTENT_TYPE,
      'content-encoding',
      CONTENT_ENCODING,
      'x-prometheus-remote-write-version',
      REMOTE_WRITE_VERSION,
      'x-amz-content-sha256',
      bodyHash,
      'x-amz-date',
      time,
    ];
    if (token !== undefined) headers.push('x-amz-security-token', token);
    headers.push('authorization', authorization + key.sign(stringToSign));
    return headers;
  }

  /** Recomputed when the second changes. */
  #timeOf(now: Date): string {
    const second = Math.floor(now.getTime() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#time = amzDate(now);
    }
    return this.#time;
  }

  #dayOf(identity: AwsIdentity, day: string): DayOfIdentity {
    if (this.#day?.identity === identity && this.#day.day === day) return this.#day;
    const { accessKeyId, secretAccessKey } = identity;
    const token = identity.sessionToken === '' ? undefined : identity.sessionToken;
    const scope = `${day}/${this.#region}/${this.#service}/aws4_request`;
    const signedHeaders = [
      'content-encoding;content-type;host;x-amz-content-sha256;x-amz-date',
      ...(token === undefined ? [] : ['x-amz-security-token']),
      'x-prometheus-remote-write-version',
    ].join(';');
    this.#day = {
      identity,
      day,
      key: new SigningKey(secretAccessKey, day, this.#region, this.#service),
      scope,
      token,
      canonicalEnd: [
        '',
        ...(token === undefined ? [] : [`x-amz-security-token:${canonicalValue(token)}`]),
        `x-prometheus-remote-write-version:${REMOTE_WRITE_VERSION}`,
        '',
        signedHeaders,
        '',
      ].join('\n'),
      authorization: `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=`,
    };
    return this.#day;
  }
}

/** YYYYMMDDTHHMMSSZ, for the years 0 to 9999. */
function amzDate(now: Date): string {
  const iso = now.toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
}

/**
 * Canonicalises a path as services other than S3 require: each segment is encoded once more than it is sent, and empty
 * segments are left out.
 * @param pathname of a URL, which has no `.` and `..` in it
 */
function canonicalPath(pathname: string): string {
  const segments = pathname.split('/').filter((segment) => segment !== '');
  const end = segments.length > 0 && pathname.endsWith('/') ? '/' : '';
  return `/${segments.map((segment) => uriEncode(segment)).join('/')}${end}`;
}

/** Encodes all characters but A-Z, a-z, 0-9, `-`, `.`, `_` and `~`. */
function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/gu,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Trims the spaces of a header's value, which the receiver does not see. */
function canonicalValue(value: string): string {
  return value.trim().replace(/\s+/gu, ' ');
}
