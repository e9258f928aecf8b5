/**
 * Auth: who may send. A bearer token, or names and passwords as bcrypt or scrypt hashes, from a file that is read again
 * when it changes.
 *
 * Compared in constant time. A password hash takes tens of milliseconds to check, on purpose, so that what was checked
 * is remembered (as a keyed digest, never as it came), and checks wait in a short line of their own.
 */
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { compare } from 'bcryptjs';
import { watchFiles, type WatchLog } from './watched-file.ts';

export type AuthConfig = {
  readonly bearer_token_file?: string | undefined;
  readonly basic_auth_file?: string | undefined;
};

/** `busy`: more unknown passwords are waiting to be checked than is good for the others; ask again. */
export type AuthResult = 'allowed' | 'refused' | 'busy';

const MAX_REMEMBERED = 1_000;
const REFUSED_FOR_MS = 10_000;
const MAX_WAITING = 16;
/** Of one address, so that nobody keeps the others from being checked. */
const MAX_WAITING_OF_SENDER = 2;

export class Authenticator {
  /** For the WWW-Authenticate header of a 401. */
  readonly scheme: 'Bearer' | 'Basic';
  readonly #key = randomBytes(32);
  readonly #stop: () => void;
  #tokenDigest: Buffer | undefined;
  #hashes: ReadonlyMap<string, string> = new Map();
  /** Digests of Authorization headers that were right; emptied when the file changes. */
  readonly #allowed = new Set<string>();
  readonly #refusedUntilMs = new Map<string, number>();
  #line: Promise<unknown> = Promise.resolve();
  readonly #underWay = new Map<string, Promise<AuthResult>>();
  readonly #waiting = new Map<string, number>();
  #waitingInAll = 0;

  /** Throws when the file cannot be read or has nothing that can be used. */
  constructor(config: AuthConfig, log: WatchLog) {
    const { bearer_token_file: tokenFile, basic_auth_file: passwordFile } = config;
    this.scheme = tokenFile === undefined ? 'Basic' : 'Bearer';
    this.#stop =
      tokenFile === undefined
        ? watchFiles([passwordFile ?? ''], ([content = '']) => this.#usePasswords(content, passwordFile ?? ''), log)
        : watchFiles([tokenFile], ([content = '']) => this.#useToken(content, tokenFile), log);
  }

  stop(): void {
    this.#stop();
  }

  /** What is known without asking for time; undefined when a password has to be checked. */
  tryCheck(header: string | undefined, nowMs: number): AuthResult | undefined {
    const credentials = this.#credentials(header);
    if (credentials === '') return 'refused';
    if (this.#tokenDigest !== undefined) {
      return timingSafeEqual(this.#digest(credentials), this.#tokenDigest) ? 'allowed' : 'refused';
    }
    const digest = this.#digest(credentials).toString('base64');
    if (this.#allowed.has(digest)) return 'allowed';
    return (this.#refusedUntilMs.get(digest) ?? 0) > nowMs ? 'refused' : undefined;
  }

  /** Checks a name and password against the file. @param sender address of who asks */
  async check(header: string | undefined, nowMs: number, sender = ''): Promise<AuthResult> {
    const known = this.tryCheck(header, nowMs);
    if (known !== undefined) return known;
    // The connections of one sender come at once after a restart, all with the same password.
    const digest = this.#digest(this.#credentials(header)).toString('base64');
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return underWay;
    const waiting = this.#waiting.get(sender) ?? 0;
    if (this.#waitingInAll >= MAX_WAITING || waiting >= MAX_WAITING_OF_SENDER) return 'busy';
    this.#waitingInAll += 1;
    this.#waiting.set(sender, waiting + 1);
    const checked = this.#line.then(async () => this.#checkPassword(header, nowMs));
    this.#underWay.set(digest, checked);
    this.#line = checked.catch(() => 'refused');
    try {
      return await checked;
    } finally {
      this.#underWay.delete(digest);
      this.#waitingInAll -= 1;
      const left = (this.#waiting.get(sender) ?? 1) - 1;
      if (left > 0) this.#waiting.set(sender, left);
      else this.#waiting.delete(sender);
    }
  }

  /** What follows the scheme; empty where the header is not of this scheme and form. */
  #credentials(header: string | undefined): string {
    const [, scheme = '', credentials = ''] = /^([A-Za-z]+) +(\S+) *$/.exec(header ?? '') ?? [];
    return scheme.toLowerCase() === this.scheme.toLowerCase() ? credentials : '';
  }

  async #checkPassword(header: string | undefined, nowMs: number): Promise<AuthResult> {
    const credentials = this.#credentials(header);
    const [name = '', ...rest] = Buffer.from(credentials, 'base64').toString('utf8').split(':');
    const hashes = this.#hashes;
    // An unknown name takes as long as a wrong password of one of the known, always the same one, so that names cannot
    // be told from the time.
    const decoys = [...hashes.values()];
    const hash = hashes.get(name) ?? decoys[this.#digest(name).readUInt16LE(0) % decoys.length] ?? '';
    const right = (await matches(rest.join(':'), hash)) && hashes.has(name);
    // The file may have changed meanwhile.
    if (hashes !== this.#hashes) return 'busy';
    const digest = this.#digest(credentials).toString('base64');
    if (right) {
      if (this.#allowed.size >= MAX_REMEMBERED) this.#allowed.clear();
      this.#allowed.add(digest);
      return 'allowed';
    }
    if (this.#refusedUntilMs.size >= MAX_REMEMBERED) this.#refusedUntilMs.clear();
    this.#refusedUntilMs.set(digest, nowMs + REFUSED_FOR_MS);
    return 'refused';
  }

  #useToken(content: string, file: string): void {
    const token = content.trim();
    if (token === '' || /\s/.test(token)) throw new Error(`${file} is to hold a token and nothing else`);
    this.#tokenDigest = this.#digest(token);
  }

  #usePasswords(content: string, file: string): void {
    const hashes = new Map<string, string>();
    for (const [index, line] of content.split(/\r?\n/).entries()) {
      if (line.trim() === '' || line.startsWith('#')) continue;
      const colon = line.indexOf(':');
      const hash = line.slice(colon + 1).trim();
      if (colon < 1 || !isHash(hash)) {
        throw new Error(
          `${file}, line ${index + 1}: is not name:hash with a bcrypt ($2b$..., cost 4 to 12) or scrypt ($scrypt$..., up to 256 MiB) hash`,
        );
      }
      hashes.set(line.slice(0, colon), hash);
    }
    if (hashes.size === 0) throw new Error(`${file} holds no name:hash`);
    this.#hashes = hashes;
    this.#allowed.clear();
    this.#refusedUntilMs.clear();
  }

  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

/** As `htpasswd -B` writes it. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** The PHC form, as passlib and others write it: log2 N, r, p, salt, hash (base64 without padding). */
const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)$/;
/** 128 x N x r bytes are needed; of a hash that asks for more than this, the file is wrong. */
const SCRYPT_MAX_BYTES = 256 * 1024 * 1024;

const LEAST_HASH_BYTES = 16;

/** Whole, and of a cost that a process which has other work can pay. */
function isHash(text: string): boolean {
  const cost = Number(BCRYPT.exec(text)?.[1] ?? 0);
  if (cost >= 4 && cost <= 12) return true;
  const [, ln, r, p, , hash = ''] = SCRYPT.exec(text) ?? [];
  const bytes = 128 * 2 ** Number(ln) * Number(r);
  return (
    Number(ln) >= 1 &&
    bytes > 0 &&
    bytes < SCRYPT_MAX_BYTES &&
    Number(p) >= 1 &&
    fromPhc(hash).length >= LEAST_HASH_BYTES
  );
}

async function matches(password: string, hash: string): Promise<boolean> {
  const parts = SCRYPT.exec(hash);
  // bcrypt reads 72 bytes and no more; what is longer would pass for all that begins alike.
  if (parts === null) return (await compare(password, hash)) && Buffer.byteLength(password) <= 72;
  const [, ln = '', r = '', p = '', salt = '', expected = ''] = parts;
  const wanted = fromPhc(expected);
  const options = { N: 2 ** Number(ln), r: Number(r), p: Number(p), maxmem: 2 * SCRYPT_MAX_BYTES };
  const got = await new Promise<Buffer>((resolve, reject) => {
    scrypt(password, fromPhc(salt), wanted.length, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
  return timingSafeEqual(got, wanted);
}

/** passlib writes `.` where base64 has `+`. */
function fromPhc(text: string): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64');
}
