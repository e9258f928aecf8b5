/** TLS towards the upstream, with certificates that are wrong and then right. */
import { expect, onTestFinished, test } from 'vitest';
import { SandboxClient } from '../../src/dev/sandbox/client.ts';
import { startSandbox, type Sandbox } from '../../src/dev/sandbox/sandbox.ts';
import { makeAuthority, OPENSSL, type Authority, type Certificate } from '../support/certificates.ts';
import { freePort } from '../support/processes.ts';
import { expectPromisesKept, isAccepted, isRefused, startScene } from '../support/scene.ts';

const LOOPBACK = 'IP:127.0.0.1';
const PAST = { from: '20200101000000Z', to: '20200201000000Z' };
const FUTURE = { from: '20900101000000Z', to: '20900201000000Z' };

interface Row {
  readonly name: string;
  readonly issue: (authority: Authority) => Promise<Certificate>;
  readonly says: RegExp;
  /** The code of the failure, in the metric too. */
  readonly code: string;
}

const ROWS: readonly Row[] = [
  {
    name: 'has expired',
    issue: async (authority) => authority.issue(LOOPBACK, PAST),
    says: /tls.*expired/,
    code: 'tls_expired',
  },
  {
    name: 'is not valid yet',
    issue: async (authority) => authority.issue(LOOPBACK, FUTURE),
    says: /tls.*not yet valid/,
    code: 'tls_expired',
  },
  {
    name: 'is for another name',
    issue: async (authority) => authority.issue('DNS:elsewhere.example'),
    says: /tls.*altnames/,
    code: 'tls_wrong_name',
  },
  {
    name: 'is of another authority',
    issue: async () => (await makeAuthority()).issue(LOOPBACK),
    says: /tls.*(?:unable to verify|local issuer)/,
    code: 'tls_untrusted',
  },
];

test.skipIf(OPENSSL === undefined).each(ROWS)(
  'sends nothing to an upstream whose certificate $name; senders keep their samples until it is right',
  async ({ issue, says, code }) => {
    const authority = await makeAuthority();
    const port = await freePort();
    const wrong = await openSandbox(port, await issue(authority));
    const scene = await startScene({
      sandbox: { ...wrong, client: new SandboxClient(wrong.controlUrl) },
      entry: { tls_config: { ca_file: authority.certificateFile } },
      deliveryTimeoutMs: 1_000,
    });
    scene.load();
    await scene.answers(1, isRefused);
    expect(scene.senders[0]?.requests[0]?.answer?.text).toMatch(says);
    expect(await scene.upstreamResponses(code)).toBeGreaterThan(0);
    expect(wrong.ledger.stats().requests).toBe(0);
    const { controlPort } = { controlPort: Number(new URL(wrong.controlUrl).port) };
    await wrong.close();
    await openSandbox(port, await authority.issue(LOOPBACK), controlPort);
    await scene.answers(2, isAccepted);
    await expectPromisesKept(scene);
  },
);

test.skipIf(OPENSSL === undefined)('loses nothing over TLS while connections are cut', async () => {
  const authority = await makeAuthority();
  const sandbox = await openSandbox(0, await authority.issue(LOOPBACK));
  const scene = await startScene({
    sandbox: { ...sandbox, client: new SandboxClient(sandbox.controlUrl) },
    entry: { tls_config: { ca_file: authority.certificateFile } },
  });
  await scene.under(
    [
      { action: { kind: 'reset', at: 'after-body' }, apply: true, probability: 0.1, seed: 1 },
      { action: { kind: 'reset', at: 'during-body' }, probability: 0.1, seed: 2 },
      { action: { kind: 'close-idle', afterMs: 1 } },
    ],
    15,
  );
  expect((await expectPromisesKept(scene)).acknowledged).toBeGreaterThan(15 * 10);
});

async function openSandbox(port: number, tls: Certificate, controlPort = 0): Promise<Sandbox> {
  const sandbox = await startSandbox({ port, controlPort, tls });
  onTestFinished(async () => sandbox.close());
  return sandbox;
}
