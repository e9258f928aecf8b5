/**
 * Auth: who may send. A bearer token, or names and passwords as bcrypt or scrypt hashes, from a file that is read again
 * when it changes.
 *
 * Compared in constant time. A password hash takes tens of milliseconds to check, on purpose, so that what was checked
 * is remembered (as a keyed digest, never as it came), and checks wait in a short line for a thread of their own.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { monotonicMs } from '../../platform/clock.ts';
import { LoginFailures } from './login-failures.ts';
import { LoginLine, type Login } from './login-line.ts';
import { isPasswordHash } from './password-hash.ts';
import { PasswordThread } from './password-thread.ts';
import { watchFiles, type WatchLog } from '../../platform/watched-file.ts';

export type AuthConfig = {
  readonly bearer_token_file?: string | undefined;
  readonly basic_auth_file?: string | undefined;
};

/** `busy`: more unknown passwords are waiting to be checked than is good for the others; ask again. */
export type AuthResult = 'allowed' | 'refused' | 'busy';

const MAX_REMEMBERED = 1_000;
const REFUSED_FOR_MS = 10_000;
const MANY_FAILURES = 1_000_000;

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
  readonly #underWay = new Map<string, Promise<AuthResult>>();
  readonly #failures = new LoginFailures();
  /** By address and name, so that a name that nobody guesses gets in beside one that is guessed at the same address. */
  readonly #failuresOfAccounts = new LoginFailures();
  readonly #line = new LoginLine({ failuresOf: (login) => this.#failuresOf(login), nowMs: monotonicMs });
  readonly #thread: PasswordThread;

  /** Throws when the file cannot be read or has nothing that can be used. */
  constructor(config: AuthConfig, log: WatchLog) {
    const { bearer_token_file: tokenFile, basic_auth_file: passwordFile } = config;
    this.scheme = tokenFile === undefined ? 'Basic' : 'Bearer';
    this.#thread = new PasswordThread(log);
    this.#stop =
      tokenFile === undefined
        ? watchFiles([passwordFile ?? ''], ([content = '']) => this.#usePasswords(content, passwordFile ?? ''), log)
        : watchFiles([tokenFile], ([content = '']) => this.#useToken(content, tokenFile), log);
  }

  stop(): void {
    this.#stop();
    this.#line.stop();
    this.#thread.stop();
  }

  /**
   * Notes that a sender is told so.
   * @returns how long to wait before it is told, ms: the more failures its address has, the longer
   */
  refuse(result: Exclude<AuthResult, 'allowed'>, sender: string, nowMs: number): number {
    if (result === 'refused') this.#failures.note(sender, nowMs);
    return this.#failures.takeWaitMs(sender, nowMs);
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

  /** Checks a name and password against the file. Rejects when they could not be checked. @param sender address of who asks */
  async check(header: string | undefined, nowMs: number, sender = ''): Promise<AuthResult> {
    const known = this.tryCheck(header, nowMs);
    if (known !== undefined) return known;
    // The connections of one sender come at once after a restart, all with the same password.
    const credentials = this.#credentials(header);
    const digest = this.#digest(credentials).toString('base64');
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return underWay;
    const account = this.#digest(nameAndPassword(credentials)[0]).toString('base64');
    const checked = this.#line.enter({ address: sender, account }, async () => this.#checkPassword(header, nowMs));
    this.#underWay.set(digest, checked);
    try {
      const result = await checked;
      if (result === 'refused') this.#failuresOfAccounts.note(`${sender} ${account}`, monotonicMs());
      return result;
    } finally {
      this.#underWay.delete(digest);
    }
  }

  /** Those of its name at its address come first, those of its address then. */
  #failuresOf({ address, account }: Login): number {
    const nowMs = monotonicMs();
    const ofAccount = this.#failuresOfAccounts.of(`${address} ${account}`, nowMs);
    return MANY_FAILURES * ofAccount + Math.min(MANY_FAILURES, this.#failures.of(address, nowMs));
  }

  /** What follows the scheme; empty where the header is not of this scheme and form. */
  #credentials(header: string | undefined): string {
    const [, scheme = '', credentials = ''] = /^([A-Za-z]+) +(\S+) *$/.exec(header ?? '') ?? [];
    return scheme.toLowerCase() === this.scheme.toLowerCase() ? credentials : '';
  }

  async #checkPassword(header: string | undefined, nowMs: number): Promise<AuthResult> {
    const credentials = this.#credentials(header);
    const [name, password] = nameAndPassword(credentials);
    const hashes = this.#hashes;
    // An unknown name takes as long as a wrong password of one of the known, always the same one, so that names cannot
    // be told from the time.
    const decoys = [...hashes.values()];
    const hash = hashes.get(name) ?? decoys[this.#digest(name).readUInt16LE(0) % decoys.length] ?? '';
    const right = (await this.#thread.matches(password, hash)) && hashes.has(name);
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
      if (colon < 1 || !isPasswordHash(hash)) {
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

/** Of Basic credentials: a password may have colons. */
function nameAndPassword(credentials: string): [name: string, password: string] {
  const [name = '', ...rest] = Buffer.from(credentials, 'base64').toString('utf8').split(':');
  return [name, rest.join(':')];
}
