/**
 * The sandbox: a stand-in for AMP and for AWS STS in one process, on loopback, for tests, the demo and the bench.
 *
 * Three ports: data (remote_write and queries), STS, control. It shares no code with the proxy's data path: snappyjs,
 * protobufjs and @aws-sdk/signature-v4 do here what the proxy's own kernel and signer do there, so that
 * each end-to-end test checks one implementation against another.
 */
import { AmpHandler } from './amp.ts';
import { Backend } from './backend.ts';
import { SandboxClock } from './clock.ts';
import { createControlServer } from './control.ts';
import { KnownKeys } from './credentials.ts';
import { Faults } from './faults.ts';
import { Ingester } from './ingest.ts';
import { Ledger } from './ledger.ts';
import { Listener, portOf } from './listener.ts';
import type { TokenClaims } from './oidc.ts';
import { IdentityProvider } from './oidc.ts';
import type { AmpRules } from './rules.ts';
import { AMP_RULES } from './rules.ts';
import { SampleStore } from './store.ts';
import { StsHandler } from './sts.ts';

const ACCOUNT_ID = '123456789012';

export interface SandboxOptions {
  /** Data, STS and control port; 0 is a free one. Default 0. */
  readonly port?: number;
  readonly stsPort?: number;
  readonly controlPort?: number;
  readonly host?: '127.0.0.1';
  /** Default us-west-2. */
  readonly region?: string;
  /** Default ws-sandbox. */
  readonly workspaceId?: string;
  /** The static pair that is accepted. */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** PEM; the data port then speaks HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** True to print nothing. Only main.ts prints; the sandbox itself never does. */
  readonly quiet?: boolean;
  readonly rules?: Partial<AmpRules>;
  /** The subject that web identity tokens are minted for and checked against. */
  readonly oidcSubject?: string;
  readonly oidcAudience?: string;
  /** The only role that STS lets assume; default any. */
  readonly roleArn?: string;
  /** The external id that AssumeRole requires; default none. */
  readonly externalId?: string;
  /** Lifetime of temporary credentials when the caller asks for none, in seconds. Default 3600. */
  readonly credentialLifetimeSeconds?: number;
  /** A Prometheus that answers queries and takes what is written, as `http://127.0.0.1:9090`. */
  readonly backend?: string | undefined;
  /** An Alertmanager that answers the workspace's alertmanager/api/v2. */
  readonly alertmanager?: string | undefined;
}

export interface Sandbox {
  readonly url: string;
  readonly remoteWriteUrl: string;
  readonly stsUrl: string;
  /** For AWS_CONTAINER_CREDENTIALS_FULL_URI. */
  readonly containerCredentialsUrl: string;
  readonly controlUrl: string;
  readonly region: string;
  readonly workspaceId: string;
  /** The static pair that is valid now. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly store: SampleStore;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly clock: SandboxClock;
  readonly keys: KnownKeys;
  /** In force at once when changed. */
  readonly rules: AmpRules;
  /** A JWT as Kubernetes projects it for IRSA; claims replace the defaults. */
  issueWebIdentityToken(claims?: TokenClaims): string;
  /** Resolves when the ports that a `down` fault closes, or opens at its end, have changed. */
  settled(): Promise<void>;
  /** Forgets samples, counts, elections and faults; keeps rules, clock and keys. */
  reset(): void;
  close(): Promise<void>;
}

/** @throws when a port is taken. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { host = '127.0.0.1', region = 'us-west-2', workspaceId = 'ws-sandbox', tls } = options;
  const clock = new SandboxClock();
  const keys = new KnownKeys(
    clock,
    options.accessKeyId ?? 'AKIASANDBOXSANDBOX00',
    options.secretAccessKey ?? 'sandbox-secret-access-key-of-no-account',
  );
  const rules: AmpRules = { ...AMP_RULES, ...options.rules };
  const store = new SampleStore();
  const ledger = new Ledger();
  const faults = new Faults();
  const ingester = new Ingester(store, rules, clock, `${ACCOUNT_ID}_${workspaceId}`);
  const provider = new IdentityProvider(
    clock,
    options.oidcSubject ?? 'system:serviceaccount:monitoring:amp-write-proxy',
    options.oidcAudience ?? 'sts.amazonaws.com',
  );

  const { backend: prometheus, alertmanager } = options;
  const backend =
    prometheus === undefined && alertmanager === undefined ? undefined : new Backend({ prometheus, alertmanager });
  const amp = new AmpHandler({ region, workspaceId, rules, keys, clock, store, ingester, ledger, backend });
  const data = new Listener({ target: 'amp', host, port: options.port ?? 0, tls, faults, clock }, amp);
  const sts = new StsHandler({
    region,
    accountId: ACCOUNT_ID,
    keys,
    clock,
    provider,
    ledger,
    roleArn: options.roleArn,
    externalId: options.externalId,
    lifetimeSeconds: options.credentialLifetimeSeconds ?? 3600,
    maxClockSkewMs: rules.maxClockSkewMs,
  });
  const identity = new Listener(
    { target: 'sts', host, port: options.stsPort ?? 0, tls: undefined, faults, clock },
    sts,
  );

  let change: Promise<unknown> = Promise.resolve();
  faults.onChange = () => {
    change = Promise.all([data.ensureOpen(!faults.isDown('amp')), identity.ensureOpen(!faults.isDown('sts'))]);
    // A caller that waits for settled() gets the error; without one it must not end the process.
    change.catch(() => undefined);
  };
  const settled = async (): Promise<void> => {
    await change;
  };
  const reset = (): void => {
    store.reset();
    ledger.reset();
    ingester.reset();
    faults.clear();
  };
  const openConnections = (): number => data.openConnections;
  const control = createControlServer({
    store,
    ledger,
    faults,
    provider,
    clock,
    keys,
    rules,
    settled,
    reset,
    openConnections,
  });

  await Promise.all([data.ensureOpen(true), identity.ensureOpen(true)]);
  await new Promise<void>((resolve, reject) => {
    control.once('error', reject);
    control.listen(options.controlPort ?? 0, host, resolve);
  });
  const url = `${tls === undefined ? 'http' : 'https'}://${host}:${data.port}`;
  const stsUrl = `http://${host}:${identity.port}`;
  provider.issuer = stsUrl;

  return {
    url,
    remoteWriteUrl: `${url}/workspaces/${workspaceId}/api/v1/remote_write`,
    stsUrl,
    containerCredentialsUrl: `${stsUrl}/v1/credentials`,
    controlUrl: `http://${host}:${portOf(control)}`,
    region,
    workspaceId,
    get accessKeyId() {
      return keys.static.accessKeyId;
    },
    get secretAccessKey() {
      return keys.static.secretAccessKey;
    },
    store,
    ledger,
    faults,
    clock,
    keys,
    rules,
    issueWebIdentityToken: (claims) => provider.issue(claims),
    settled,
    reset,
    close: async () => {
      faults.onChange = () => undefined;
      await settled();
      await Promise.all([data.ensureOpen(false), identity.ensureOpen(false)]);
      backend?.close();
      await new Promise<void>((resolve) => {
        control.close(() => resolve());
        control.closeAllConnections();
      });
    },
  };
}
