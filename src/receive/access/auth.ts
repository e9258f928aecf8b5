/**
 * Auth: decides who may send. It knows a bearer token, or names and passwords as bcrypt or scrypt hashes, from a file
 * that is read again when it changes.
 *
 * Comparisons take constant time. Checking a password hash takes tens of milliseconds, on purpose. So results are
 * remembered (as a keyed digest, never in clear), and checks wait in a short line for a separate thread.
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

/** `busy`: too many unknown passwords are waiting to be checked; the sender may try again. */
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
  /** Digests of Authorization headers that were correct; emptied when the file changes. */
  readonly #allowed = new Set<string>();
  readonly #refusedUntilMs = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<AuthResult>>();
  readonly #failures = new LoginFailures();
  /**
   * Kept by address and name, so that a name that nobody guesses gets in although another name is guessed from the same
   * address.
   */
  readonly #failuresOfAccounts = new LoginFailures();
  readonly #line = new LoginLine({ failuresOf: (login) => this.#failuresOf(login), nowMs: monotonicMs });
  readonly #thread: PasswordThread;

  /** Throws if the file cannot be read or holds nothing usable. */
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
   * Records that a sender is refused.
   * @returns the wait before it is told, in ms: the more failures its address has, the longer
   */
  refuse(result: Exclude<AuthResult, 'allowed'>, sender: string, nowMs: number): number {
    if (result === 'refused') this.#failures.note(sender, nowMs);
    return this.#failures.takeWaitMs(sender, nowMs);
  }

  /** Returns the result if it is known without checking a password; undefined otherwise. */
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

  /**
   * Checks a name and password against the file. Rejects when they could not be checked. @param sender the sender's
   * address
   */
  async check(header: string | undefined, nowMs: number, sender = ''): Promise<AuthResult> {
    const known = this.tryCheck(header, nowMs);
    if (known !== undefined) return known;
    // After a restart all connections of one sender come at once, with the same password.
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

  /** Counts the failures of its name at its address first, then those of its address. */
  #failuresOf({ address, account }: Login): number {
    const nowMs = monotonicMs();
    const ofAccount = this.#failuresOfAccounts.of(`${address} ${account}`, nowMs);
    return MANY_FAILURES * ofAccount + Math.min(MANY_FAILURES, this.#failures.of(address, nowMs));
  }

  /** Returns the text behind the scheme; empty if the header is not of this scheme and form. */
  #credentials(header: string | undefined): string {
    const [, scheme = '', credentials = ''] = /^([A-Za-z]+) +(\S+) *$/.exec(header ?? '') ?? [];
    return scheme.toLowerCase() === this.scheme.toLowerCase() ? credentials : '';
  }

  async #checkPassword(header: string | undefined, nowMs: number): Promise<AuthResult> {
    const credentials = this.#credentials(header);
    const [name, password] = nameAndPassword(credentials);
    const hashes = this.#hashes;
    // Checking an unknown name takes as long as checking a wrong password of a known name, always the same one, so that
    // timing reveals no names.
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

/** Splits Basic credentials; a password may contain colons. */
function nameAndPassword(credentials: string): [name: string, password: string] {
  const [name = '', ...rest] = Buffer.from(credentials, 'base64').toString('utf8').split(':');
  return [name, rest.join(':')];
}
