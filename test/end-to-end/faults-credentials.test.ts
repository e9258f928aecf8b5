/** Credentials by the AWS SDK's real chain, against the sandbox's STS, which checks the web identity token. */
import { expect, test } from 'vitest';
import type { FaultSpec } from '../../src/dev/sandbox/faults.ts';
import { sleep, until } from '../support/processes.ts';
import { startSandboxProcess, type SandboxProcess } from '../support/proxy.ts';
import { expectPromisesKept, isAccepted, isRefused, startScene, type Scene } from '../support/scene.ts';
import { expectNoSecrets } from '../support/secrets.ts';
import {
  irsaEnvironment,
  makeTokenFile,
  podIdentityEnvironment,
  POD_IDENTITY_CLAIMS,
  type TokenFile,
} from '../support/web-identity.ts';

interface RoleOptions {
  readonly sandboxArgs?: readonly string[];
  /** The settings of sigv4 beside the region. */
  readonly sigv4?: Readonly<Record<string, string>>;
  readonly awaitReady?: boolean;
  readonly environment?: typeof irsaEnvironment;
  /** Before the proxy starts. */
  readonly prepare?: (sandbox: SandboxProcess, token: TokenFile) => Promise<void>;
}

async function startRoleScene(
  options: RoleOptions = {},
): Promise<{ scene: Scene; sandbox: SandboxProcess; token: TokenFile }> {
  const { sandboxArgs = [], sigv4 = {}, awaitReady = true, environment = irsaEnvironment } = options;
  const { prepare = async (_: SandboxProcess, token: TokenFile) => token.issue() } = options;
  const sandbox = await startSandboxProcess(sandboxArgs);
  const token = await makeTokenFile(sandbox);
  await prepare(sandbox, token);
  const scene = await startScene({
    sandbox,
    entry: { sigv4: { region: sandbox.region, ...sigv4 } },
    deliveryTimeoutMs: 1_000,
    proxy: { env: environment(sandbox, token), awaitReady },
  });
  return { scene, sandbox, token };
}

/** The row's own end: also no token that was ever in the file is in the log. */
async function expectKeptWith(scene: Scene, token: TokenFile): Promise<void> {
  await expectPromisesKept(scene);
  expectNoSecrets(scene.proxy.child, scene.sandbox, token.issued);
}

async function refreshes(scene: Scene, result: 'success' | 'failure'): Promise<number> {
  return (await scene.proxy.metrics()).sum('amp_write_proxy_credentials_refreshes_total', { result });
}

test('assumes its role by web identity and sends with the session token', async () => {
  const { scene, sandbox, token } = await startRoleScene();
  scene.load();
  await scene.answers(3, isAccepted);
  const { stsCalls } = await sandbox.client.stats();
  expect(stsCalls).toMatchObject({ 'AssumeRoleWithWebIdentity:ok': 1 });
  expect((await sandbox.client.requests())[0]?.headers).toHaveProperty('x-amz-security-token');
  const expiry = (await scene.proxy.metrics()).sum('amp_write_proxy_credentials_expiry_timestamp_seconds');
  expect(expiry).toBeGreaterThan(Date.now() / 1000 + 60);
  await expectKeptWith(scene, token);
});

test('assumes its role by EKS Pod Identity', async () => {
  const { scene, sandbox, token } = await startRoleScene({
    environment: podIdentityEnvironment,
    prepare: async (_, file) => file.issue(POD_IDENTITY_CLAIMS),
  });
  scene.load();
  await scene.answers(3, isAccepted);
  expect((await sandbox.client.stats()).stsCalls).toMatchObject({ 'ContainerCredentials:ok': 1 });
  await expectKeptWith(scene, token);
});

test('assumes a further role on top, with its external id', async () => {
  const { scene, sandbox, token } = await startRoleScene({
    sandboxArgs: ['--external-id', 'our-external-id'],
    sigv4: { role_arn: 'arn:aws:iam::210987654321:role/writer', external_id: 'our-external-id' },
  });
  scene.load();
  await scene.answers(3, isAccepted);
  const { stsCalls } = await sandbox.client.stats();
  expect(stsCalls).toMatchObject({ 'AssumeRoleWithWebIdentity:ok': 1, 'AssumeRole:ok': 1 });
  await expectKeptWith(scene, token);
});

test('is live, not ready and says why when the further role is refused', async () => {
  const { scene, token } = await startRoleScene({
    sandboxArgs: ['--external-id', 'our-external-id'],
    sigv4: { role_arn: 'arn:aws:iam::210987654321:role/writer', external_id: 'another' },
    awaitReady: false,
  });
  await until('it says why', async () =>
    /not authorized to perform: sts:AssumeRole/.test((await scene.proxy.readiness()).text),
  );
  const [sender] = scene.senders;
  expect(await sender?.send(sender.makeSeries(3))).toMatchObject({
    status: 503,
    text: expect.stringMatching(/AWS credentials/),
  });
  expectNoSecrets(scene.proxy.child, scene.sandbox, token.issued);
});

const NO_TOKEN: readonly { readonly name: string; readonly prepare: RoleOptions['prepare']; readonly why: RegExp }[] = [
  { name: 'missing', prepare: async () => undefined, why: /no AWS credentials.*ENOENT/ },
  { name: 'empty', prepare: async (_, token) => token.write(''), why: /no AWS credentials: (?!not asked for|waiting)/ },
  {
    name: 'expired',
    prepare: async (_, token) => token.issue({ exp: Math.floor(Date.now() / 1000) - 60 }),
    why: /no AWS credentials.*Token expired/,
  },
  {
    name: 'for another audience',
    prepare: async (_, token) => token.issue({ aud: ['vault'] }),
    why: /no AWS credentials.*audience/,
  },
  {
    name: 'garbage',
    prepare: async (_, token) => token.write('not a JWT'),
    why: /no AWS credentials.*not a valid JWT/,
  },
];

test('starts with a token file that is no good: live, not ready, saying why; ready when it is right', async () => {
  // All at once: each waits most of its time.
  await Promise.all(
    NO_TOKEN.map(async ({ name, prepare, why }) => {
      const { scene, token } = await startRoleScene({ awaitReady: false, ...(prepare && { prepare }) });
      await until(`it says why with a token file that is ${name}`, async () =>
        why.test((await scene.proxy.readiness()).text),
      );
      expect(await scene.proxy.readiness(), `token file ${name}`).toMatchObject({ status: 503 });
      expect((await fetch(`${scene.proxy.adminUrl}/-/healthy`)).status, `token file ${name}`).toBe(200);
      expect(await refreshes(scene, 'failure'), `token file ${name}`).toBeGreaterThan(0);
      expect(scene.proxy.child.stdout, `token file ${name}`).toMatch(/credentials could not be refreshed/);
      scene.load();
      await scene.answers(1, isRefused);
      await token.issue();
      await until(`it is ready after ${name}`, async () => (await scene.proxy.readiness()).status === 200);
      await expectKeptWith(scene, token);
    }),
  );
});

test('uses the token that is in the file now, not the one it started with', async () => {
  const { scene, sandbox, token } = await startRoleScene();
  scene.load();
  await scene.answers(2, isAccepted);
  // The first is of no use any more, and its successor is there before the keys are gone.
  await token.issue({ jti: 'second' });
  await sandbox.client.changeCredentials({ forgetTemporary: true });
  await scene.answers(5);
  await scene.answers(2, isAccepted);
  expect((await sandbox.client.stats()).stsCalls['AssumeRoleWithWebIdentity:ok']).toBeGreaterThanOrEqual(2);
  await expectKeptWith(scene, token);
});

test('no sender notices keys that end in flight', async () => {
  await Promise.all(
    (['expireTemporary', 'forgetTemporary'] as const).map(async (change) => {
      const { scene, sandbox, token } = await startRoleScene();
      scene.load();
      await scene.answers(3, isAccepted);
      // The proxy refreshes outside its schedule no sooner than 5 s after the last time.
      await sleep(5_100);
      await sandbox.client.changeCredentials({ [change]: true });
      await scene.answers(5);
      await expectKeptWith(scene, token);
      expect(new Set(scene.senders.flatMap(({ statuses }) => statuses)), `keys: ${change}`).toEqual(new Set([204]));
      expect(await scene.upstreamResponses('403'), `keys: ${change}`).toBeGreaterThan(0);
    }),
  );
});

const SHORT_LIVED: FaultSpec = { target: 'sts', action: { kind: 'credentials', lifetimeSeconds: 4 } };

const STS_TROUBLE: readonly { readonly name: string; readonly fault: FaultSpec }[] = [
  { name: 'down', fault: { target: 'sts', action: { kind: 'down' } } },
  { name: 'hanging', fault: { target: 'sts', action: { kind: 'hang' } } },
  {
    name: 'refusing',
    fault: {
      target: 'sts',
      action: {
        kind: 'status',
        status: 403,
        body: '<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>',
      },
    },
  },
  { name: 'failing', fault: { target: 'sts', action: { kind: 'status', status: 500 } } },
  { name: 'giving empty keys', fault: { target: 'sts', action: { kind: 'credentials', empty: true } } },
];

test('sends on while STS is in trouble, for as long as its keys are good', async () => {
  await Promise.all(
    STS_TROUBLE.map(async ({ name, fault }) => {
      const { scene, sandbox, token } = await startRoleScene({
        prepare: async (box, file) => {
          await file.issue();
          await box.client.addFaults({ target: 'sts', action: { kind: 'credentials', lifetimeSeconds: 9 } });
        },
      });
      scene.load();
      await scene.answers(2, isAccepted);
      await sandbox.client.replaceFaults(fault);
      // Ahead of their end the proxy asks for others.
      await until(`STS, ${name}, is asked`, async () => wasAsked(sandbox, fault, scene), 20_000);
      await scene.answers(5, isAccepted);
      const told = scene.senders.flatMap(({ statuses }) => statuses.filter((status) => status >= 0));
      expect(new Set(told), `with an STS ${name}`).toEqual(new Set([204]));
      await sandbox.client.clearFaults();
      await expectKeptWith(scene, token);
    }),
  );
});

test('lives with an STS that is slow and gives keys of a few seconds', async () => {
  const { scene, sandbox, token } = await startRoleScene({
    prepare: async (box, file) => {
      await file.issue();
      await box.client.addFaults({ target: 'sts', action: { kind: 'delay', ms: 300 } }, SHORT_LIVED);
    },
  });
  scene.load();
  const startedAtMs = performance.now();
  while (performance.now() - startedAtMs < 6_000) await scene.answers(2);
  expect((await sandbox.client.stats()).stsCalls['AssumeRoleWithWebIdentity:ok']).toBeGreaterThanOrEqual(2);
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses.filter((status) => status >= 0)))).toEqual(
    new Set([204]),
  );
  await sandbox.client.clearFaults();
  await expectKeptWith(scene, token);
});

test('holds back when its keys have expired and there are no others, and goes on with new ones', async () => {
  const { scene, sandbox, token } = await startRoleScene({
    prepare: async (box, file) => {
      await file.issue();
      await box.client.addFaults({ ...SHORT_LIVED, times: 1 });
    },
  });
  await sandbox.client.addFaults({ target: 'sts', action: { kind: 'down' } });
  scene.load();
  await scene.answers(1, isRefused);
  expect((await scene.proxy.readiness()).text).toMatch(/no AWS credentials/);
  expect(await scene.upstreamResponses('403'), 'nothing is signed with expired keys').toBe(0);
  await sandbox.client.clearFaults();
  await until('it is ready', async () => (await scene.proxy.readiness()).status === 200);
  await expectKeptWith(scene, token);
});

test('ends on SIGTERM also while it waits for an STS that hangs', async () => {
  const { scene, token } = await startRoleScene({
    awaitReady: false,
    prepare: async (box, file) => {
      await file.issue();
      await box.client.addFaults({ target: 'sts', action: { kind: 'hang' } });
    },
  });
  const startedAtMs = performance.now();
  scene.proxy.child.trySignal('SIGTERM');
  const { status } = await scene.proxy.child.ended();
  expect(status).toBe(0);
  expect(performance.now() - startedAtMs, 'shutdown_timeout is 4 s').toBeLessThan(7_000);
  expectNoSecrets(scene.proxy.child, scene.sandbox, token.issued);
});

test('writes no secret to its log when AMP quotes the canonical request, session token and all', async () => {
  const { scene, sandbox, token } = await startRoleScene();
  const sessionToken = 'IQoJb3JpZ2luX2VjE'.repeat(30);
  const body = JSON.stringify({
    message:
      'The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for ' +
      `this request should have been\n'POST\n/workspaces/ws/api/v1/remote_write\n\nhost:127.0.0.1\nx-amz-security-token:${sessionToken}\n` +
      `\nhost;x-amz-date\n${'ab'.repeat(32)}'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n${'cd'.repeat(32)}'\n`,
  });
  await scene.under([{ action: { kind: 'status', status: 403, body } }], 1, isRefused);
  for (const { requests } of scene.senders) {
    for (const { answer } of requests) expect(answer?.text ?? '').not.toMatch(/IQoJb3JpZ2lu|Canonical|[0-9a-f]{64}/);
  }
  await expectKeptWith(scene, token);
  expectNoSecrets(scene.proxy.child, sandbox, [sessionToken, ...token.issued]);
  expect(scene.proxy.child.stdout).toMatch(/signature we calculated/);
});

/** It hangs or is down: it cannot count what it was asked. */
async function wasAsked(sandbox: SandboxProcess, { action }: FaultSpec, scene: Scene): Promise<boolean> {
  if (action.kind === 'hang') return ((await sandbox.client.stats()).faultsByKind['hang'] ?? 0) > 0 || hits(sandbox);
  if (action.kind === 'credentials') return hits(sandbox);
  return (await refreshes(scene, 'failure')) > 0;
}

async function hits(sandbox: SandboxProcess): Promise<boolean> {
  return (await sandbox.client.faults()).some((fault) => fault.hits > 0);
}
