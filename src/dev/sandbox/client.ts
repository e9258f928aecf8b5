/** A typed client of the control API, for tests and the demo that run the sandbox as another process. */
import type { SeriesDocument } from './control.ts';
import type { FaultSpec, FaultState, FaultTarget } from './faults.ts';
import type { LedgerStats, RequestLogEntry } from './ledger.ts';
import type { TokenClaims } from './oidc.ts';
import type { AmpRules } from './rules.ts';
import type { DecodedMetadata } from './write-request.ts';

export interface SandboxStats extends LedgerStats {
  readonly stored: {
    readonly series: number;
    readonly samples: number;
    readonly histograms: number;
    readonly metadata: number;
  };
  /** Open connections of the data port. */
  readonly openConnections: number;
}

export interface CredentialChange {
  /** Replace the static pair by a random one, or by the one given. */
  readonly rotate?: boolean;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** All temporary keys so far are expired, or unknown, from here on. */
  readonly expireTemporary?: boolean;
  readonly forgetTemporary?: boolean;
}

export class SandboxClient {
  readonly #controlUrl: string;

  constructor(controlUrl: string) {
    this.#controlUrl = controlUrl;
  }

  stats(): Promise<SandboxStats> {
    return this.#call('GET', 'stats');
  }

  /** `match` is a bare selector such as `up{job="x"}`. */
  series(match?: string): Promise<SeriesDocument[]> {
    return this.#call('GET', match === undefined ? 'series' : `series?match=${encodeURIComponent(match)}`);
  }

  requests(): Promise<RequestLogEntry[]> {
    return this.#call('GET', 'requests');
  }

  metadata(): Promise<Record<string, DecodedMetadata>> {
    return this.#call('GET', 'metadata');
  }

  faults(): Promise<FaultState[]> {
    return this.#call('GET', 'faults');
  }

  /** @returns the ids, in order. */
  async addFaults(...faults: readonly FaultSpec[]): Promise<string[]> {
    const { ids } = await this.#call<{ ids: string[] }>('POST', 'faults', faults);
    return ids;
  }

  async replaceFaults(...faults: readonly FaultSpec[]): Promise<string[]> {
    const { ids } = await this.#call<{ ids: string[] }>('POST', 'faults?replace=1', faults);
    return ids;
  }

  async clearFaults(target?: FaultTarget): Promise<void> {
    await this.#call('DELETE', target === undefined ? 'faults' : `faults?target=${target}`);
  }

  async removeFault(id: string): Promise<void> {
    await this.#call('DELETE', `faults?id=${encodeURIComponent(id)}`);
  }

  async reset(): Promise<void> {
    await this.#call('POST', 'reset');
  }

  async issueWebIdentityToken(claims: TokenClaims = {}): Promise<string> {
    const { token } = await this.#call<{ token: string }>('POST', 'token', { claims });
    return token;
  }

  async setClockOffset(offsetMs: number): Promise<void> {
    await this.#call('POST', 'clock', { offsetMs });
  }

  /** @returns the static pair that is valid now. */
  changeCredentials(change: CredentialChange): Promise<{ accessKeyId: string; secretAccessKey: string }> {
    return this.#call('POST', 'credentials', change);
  }

  changeRules(rules: Partial<AmpRules>): Promise<AmpRules> {
    return this.#call('POST', 'rules', rules);
  }

  async #call<Result>(method: string, path: string, body?: unknown): Promise<Result> {
    const response = await fetch(`${this.#controlUrl}/sandbox/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`sandbox control ${method} ${path}: ${response.status} ${text}`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- control.ts next door answers in exactly these shapes
    return JSON.parse(text) as Result;
  }
}
