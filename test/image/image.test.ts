import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { entryFor, startSandboxProcess } from '../support/proxy.ts';
import { freePort } from '../support/processes.ts';
import { containerOf, fileIn } from '../chart/container.ts';
import { helm, pick, render } from '../chart/helm.ts';
import { execForm, lastOf, pairsOf, parseDockerfile } from './dockerfile.ts';
import { buildImageTree, type ImageTree } from './image-tree.ts';
import { startInImage } from './start-in-image.ts';
import { stretched } from '../support/slowness.ts';

const CONFIG_FILE = '/etc/amp-write-proxy/config.yaml';

let directory = '';
let tree: ImageTree;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'amp-write-proxy-image-'));
  await chmod(directory, 0o755);
  tree = await buildImageTree(directory);
}, stretched(300_000));

afterAll(async () => rm(directory, { recursive: true, force: true, maxRetries: 5 }));

describe('the Dockerfile', () => {
  test('starts every stage from one Node image that is pinned by digest', async () => {
    const dockerfile = new URL('../../Dockerfile', import.meta.url);
    const bases = parseDockerfile(await readFile(fileURLToPath(dockerfile), 'utf8')).map(({ base }) => base);
    expect(new Set(bases).size).toBe(1);
    expect(bases[0]).toMatch(/^docker\.io\/library\/node:26\.\d+\.\d+-\w+-slim@sha256:[0-9a-f]{64}$/);
  });

  test('runs node itself as PID 1, as a numeric user that is not root', () => {
    expect(execForm(lastOf(tree.stage, 'ENTRYPOINT'))[0]).toBe('node');
    expect(execForm(lastOf(tree.stage, 'CMD'))).toContain('--config');
    expect(lastOf(tree.stage, 'USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(lastOf(tree.stage, 'STOPSIGNAL')).toBe('SIGTERM');
  });

  test('labels the image as the OCI annotations have it', () => {
    const labels = pairsOf(tree.stage, 'LABEL');
    expect(labels).toMatchObject({
      'org.opencontainers.image.title': packageJson.name,
      'org.opencontainers.image.licenses': packageJson.license,
    });
    for (const label of Object.keys(labels)) expect(label).toMatch(/^org\.opencontainers\.image\./);
  });

  test('lets the binary itself check its health, without a shell', () => {
    const [, command = ''] = /CMD (\[.*\])$/.exec(lastOf(tree.stage, 'HEALTHCHECK')) ?? [];
    expect(execForm(command).slice(0, 3)).toEqual(['node', '/app/src/cli.ts', 'healthcheck']);
  });
});

describe('the image tree', () => {
  test('holds production dependencies only', async () => {
    const installed = await readdir(path.join(tree.root, 'app/node_modules'));
    for (const name of ['vitest', 'typescript', 'oxlint', 'assemblyscript', 'protobufjs', 'snappyjs']) {
      expect(installed).not.toContain(name);
    }
    expect(installed).toEqual(expect.arrayContaining(['fastify', 'undici', 'zod']));
  });

  test('holds no tests, no sandbox and nothing else of the repository', async () => {
    expect((await readdir(path.join(tree.root, 'app'))).toSorted()).toEqual([
      'LICENSE',
      'build',
      'node_modules',
      'package.json',
      'src',
    ]);
    const folders = await readdir(path.join(tree.root, 'app/src'));
    expect(folders).not.toContain('dev');
    expect(folders).toContain('cli.ts');
  });

  test('delivers a sample as another user with nothing writable, is healthy, and ends on SIGTERM', async () => {
    const sandbox = await startSandboxProcess();
    const [port, adminPort] = [await freePort(), await freePort()];
    const config = await writeConfigFor(tree, {
      server: { listen: `127.0.0.1:${port}`, admin_listen: `127.0.0.1:${adminPort}` },
      remote_write: [entryFor(sandbox)],
    });
    const command = [...execForm(lastOf(tree.stage, 'ENTRYPOINT')), ...execForm(lastOf(tree.stage, 'CMD'))];
    const replaced = (words: string[]): string[] => words.map((word) => (word === CONFIG_FILE ? config : word));
    const proxy = startInImage(tree, replaced(command));
    const admin = `http://127.0.0.1:${adminPort}`;
    await proxy.ready(async () => {
      const response = await fetch(`${admin}/-/ready`).catch(() => undefined);
      return response?.status === 200 || undefined;
    });

    const [, check = ''] = /CMD (\[.*\])$/.exec(lastOf(tree.stage, 'HEALTHCHECK')) ?? [];
    const health = await startInImage(tree, replaced(execForm(check))).ended();
    expect(health).toMatchObject({ status: 0, stdout: expect.stringContaining('200 healthy') });

    const urls = ['--write-url', `http://127.0.0.1:${port}/api/v1/write`, '--metrics-url', `${admin}/metrics`];
    const probe = await startInImage(tree, ['node', '/app/src/cli.ts', 'probe', ...urls]).ended();
    expect(probe).toMatchObject({ status: 0, stdout: expect.stringContaining('delivered 0 -> 1') });

    expect(await proxy.stop()).toMatchObject({ status: 0, stdout: expect.stringContaining('drained') });
    const gone = await startInImage(tree, replaced(execForm(check))).ended();
    expect(gone).toMatchObject({ status: 1, stderr: expect.stringContaining('not healthy') });
  });

  test.skipIf(process.getuid?.() !== 0)("runs as the Dockerfile's user", async () => {
    const { stdout } = await startInImage(tree, ['node', '-p', 'process.getuid() + ":" + process.getgid()']).ended();
    expect(stdout.trim()).toBe(lastOf(tree.stage, 'USER'));
  });

  test('cannot write: a program in it that tries is refused', async () => {
    const attempt = "require('node:fs').writeFileSync(process.argv[1], 'x')";
    for (const file of [path.join(tree.root, 'app/src/x'), path.join(directory, 'x')]) {
      const { status, stderr } = await startInImage(tree, ['node', '-e', attempt, file]).ended();
      expect(status).toBe(1);
      expect(stderr).toMatch(/EACCES|ERR_ACCESS_DENIED/);
    }
  });
});

describe.skipIf(helm === undefined)('the chart', () => {
  test('has a container whose command starts the proxy from the image tree, and a test pod that proves delivery', async () => {
    const sandbox = await startSandboxProcess();
    const [port, adminPort] = [await freePort(), await freePort()];
    const { manifests } = render({
      values: {
        aws: { identity: 'secret', region: sandbox.region, secret: { name: 'keys' } },
        fullnameOverride: 'localhost',
        config: {
          server: { listen: `[::]:${port}`, admin_listen: `[::]:${adminPort}` },
          remote_write: [{ url: sandbox.remoteWriteUrl, sigv4: { region: sandbox.region } }],
        },
      },
    });
    const container = containerOf(pick(manifests, 'Deployment'));
    const configMap = pick(manifests, 'ConfigMap', '-config');
    expect(container.mounts).toContain(path.posix.dirname(CONFIG_FILE));
    const config = await writeConfigFor(tree, fileIn(configMap, path.posix.basename(CONFIG_FILE)));
    // The Secret's values, and those that are given by value.
    const env = {
      ...container.env,
      AWS_ACCESS_KEY_ID: sandbox.accessKeyId,
      AWS_SECRET_ACCESS_KEY: sandbox.secretAccessKey,
    };
    const args = container.args.map((word) => (word === CONFIG_FILE ? config : word));
    const entrypoint = execForm(lastOf(tree.stage, 'ENTRYPOINT'));
    const proxy = startInImage(tree, [...entrypoint, ...args], env);
    await proxy.ready(async () => {
      const response = await fetch(`http://127.0.0.1:${adminPort}/-/ready`).catch(() => undefined);
      return response?.status === 200 || undefined;
    });

    const probe = containerOf(pick(manifests, 'Pod', '-test'));
    const words = probe.args.map((word) => word.replace(/localhost(-admin)?\.monitoring\.svc/, '127.0.0.1'));
    const result = await startInImage(tree, [...entrypoint, ...words]).ended();
    expect(result).toMatchObject({ status: 0, stdout: expect.stringContaining('delivered 0 -> 1') });
    expect(await proxy.stop()).toMatchObject({ status: 0 });
    const failed = await startInImage(tree, [...entrypoint, ...words, '--timeout', '1']).ended();
    expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining('not delivered') });
  });
});

async function writeConfigFor({ root }: ImageTree, config: object | string): Promise<string> {
  const file = path.join(root, CONFIG_FILE);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config), { mode: 0o444 });
  onTestFinished(async () => rm(path.dirname(file), { recursive: true }));
  return file;
}
