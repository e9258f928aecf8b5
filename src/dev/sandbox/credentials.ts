/** The keys that the sandbox knows: one long-lived pair, and the temporary ones its STS has issued. */
import { randomBytes } from 'node:crypto';
import type { SandboxClock } from './clock.ts';

export interface KnownKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Only temporary keys have one; a request has to carry it. */
  readonly sessionToken: string | undefined;
  /** Milliseconds since the epoch; undefined is never. */
  readonly expiresAtMs: number | undefined;
  /** Who signs with it, as an ARN. */
  readonly arn: string;
}

export interface TemporaryKey extends KnownKey {
  readonly sessionToken: string;
  readonly expiresAtMs: number;
}

export class KnownKeys {
  readonly #clock: SandboxClock;
  #temporary = new Map<string, TemporaryKey>();
  #static: KnownKey;

  constructor(clock: SandboxClock, accessKeyId: string, secretAccessKey: string) {
    this.#clock = clock;
    this.#static = staticKey(accessKeyId, secretAccessKey);
  }

  get static(): KnownKey {
    return this.#static;
  }

  find(accessKeyId: string): KnownKey | undefined {
    return accessKeyId === this.#static.accessKeyId ? this.#static : this.#temporary.get(accessKeyId);
  }

  isExpired(key: KnownKey): boolean {
    return key.expiresAtMs !== undefined && key.expiresAtMs <= this.#clock.nowMs();
  }

  /** Replaces the long-lived pair: the old one is unknown from here on. */
  rotateStatic(accessKeyId = `AKIA${randomId()}`, secretAccessKey = randomSecret()): KnownKey {
    this.#static = staticKey(accessKeyId, secretAccessKey);
    return this.#static;
  }

  issueTemporary(arn: string, lifetimeSeconds: number): TemporaryKey {
    const key: TemporaryKey = {
      accessKeyId: `ASIA${randomId()}`,
      secretAccessKey: randomSecret(),
      sessionToken: randomBytes(96).toString('base64'),
      expiresAtMs: this.#clock.nowMs() + lifetimeSeconds * 1000,
      arn,
    };
    this.#temporary.set(key.accessKeyId, key);
    return key;
  }

  /** Every temporary key issued so far is expired from here on. */
  expireTemporary(): void {
    const expiresAtMs = this.#clock.nowMs() - 1;
    for (const [id, key] of this.#temporary) this.#temporary.set(id, { ...key, expiresAtMs });
  }

  /** Every temporary key issued so far is unknown from here on. */
  forgetTemporary(): void {
    this.#temporary.clear();
  }
}

function staticKey(accessKeyId: string, secretAccessKey: string): KnownKey {
  const arn = 'arn:aws:iam::123456789012:user/sandbox';
  return { accessKeyId, secretAccessKey, sessionToken: undefined, expiresAtMs: undefined, arn };
}

/** 16 characters of the alphabet that AWS uses in key ids. */
function randomId(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return [...randomBytes(16)].map((byte) => alphabet.charAt(byte % alphabet.length)).join('');
}

function randomSecret(): string {
  return randomBytes(30).toString('base64');
}
