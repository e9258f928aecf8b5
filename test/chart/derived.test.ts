import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { proxyValues } from '../../src/commands/bootstrap/output.ts';
import { containerOf, fileIn } from './container.ts';
import { CHART, helm, pick, render, type Manifest } from './helm.ts';
import { OUTPUTS } from './outputs.ts';

const ROLE = 'arn:aws:iam::123456789012:role/amp-write-proxy';
const URL = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write';
const config = { remote_write: [{ url: URL }] };
const good = { aws: { roleArn: ROLE }, config };

/** Returns the checksum of the configuration with this log level. */
function checksum(level: string): string | undefined {
  const { manifests } = render({ values: { ...good, config: { ...config, log: { level } } } });
  return /"checksum\/config":"(\w{64})"/.exec(deploymentText(manifests))?.[1];
}

/** The Deployment as one text: what is looked for stands in one place of it only. */
function deploymentText(manifests: readonly Manifest[]): string {
  return JSON.stringify(pick(manifests, 'Deployment'));
}

function configOf(manifests: readonly Manifest[]): unknown {
  return parse(fileIn(pick(manifests, 'ConfigMap', '-config'), 'config.yaml'));
}

describe.skipIf(helm === undefined)('the chart derives', () => {
  test.each([
    ['512Mi', 153, '10MiB', '64MiB', '102MiB'],
    ['1Gi', 307, '10MiB', '128MiB', '204MiB'],
    ['384Mi', 115, '10MiB', '48MiB', '76MiB'],
    ['2G', 572, '10MiB', '238MiB', '381MiB'],
    ['16Gi', 4915, '10MiB', '1024MiB', '1024MiB'],
    ['536870912', 153, '10MiB', '64MiB', '102MiB'],
  ])('from %s of memory the heap of %d MiB and the limits', (memory, heapMiB, body, decoded, inflight) => {
    const { manifests } = render({ values: { ...good, resources: { limits: { memory } } } });
    expect(deploymentText(manifests)).toContain(`"value":"--max-old-space-size=${heapMiB}"`);
    expect(configOf(manifests)).toMatchObject({
      limits: { max_body_bytes: body, max_decoded_bytes: decoded, max_inflight_bytes: inflight },
    });
  });

  // 96 MiB are the primary's; then each worker has the heap and the limits of a pod with its part of the memory.
  test.each([
    [2, '4', '1Gi', 139, '10MiB', '58MiB', '184MiB'],
    [2, undefined, '608Mi', 76, '8MiB', '32MiB', '102MiB'],
    ['auto', '1', '512Mi', 153, '10MiB', '64MiB', '102MiB'],
    ['auto', '3500m', '2Gi', 146, '10MiB', '61MiB', '388MiB'],
    ['auto', '0.5', '512Mi', 153, '10MiB', '64MiB', '102MiB'],
    ['auto', 2, '1Gi', 139, '10MiB', '58MiB', '184MiB'],
    [4, undefined, '16Gi', 1221, '10MiB', '509MiB', '1024MiB'],
  ])(
    'for %s workers on %s CPU from %s the heap of %d MiB and the limits',
    (workers, cpu, memory, heapMiB, ...limits) => {
      const [body, decoded, inflight] = limits;
      const values = { ...good, resources: { limits: { memory, cpu } }, config: { ...config, server: { workers } } };
      const { manifests } = render({ values });
      expect(deploymentText(manifests)).toContain(`"value":"--max-old-space-size=${heapMiB}"`);
      expect(configOf(manifests)).toMatchObject({
        server: { workers },
        limits: { max_body_bytes: body, max_decoded_bytes: decoded, max_inflight_bytes: inflight },
      });
    },
  );

  test.each([
    [undefined, 5, 40],
    ['10s', 5, 20],
    ['1m30s', 0, 95],
    ['1500ms', 20, 27],
  ])('from a shutdown_timeout of %s and %d s of preStop a grace period of %d s', (timeout, sleep, seconds) => {
    const server = timeout === undefined ? {} : { server: { shutdown_timeout: timeout } };
    const values = { ...good, preStopSleepSeconds: sleep, config: { ...config, ...server } };
    const text = deploymentText(render({ values }).manifests);
    expect(text).toContain(`"terminationGracePeriodSeconds":${seconds},`);
    expect(text.includes('"preStop"')).toBe(sleep > 0);
  });

  test('a sleep of the kubelet before the end, and of node where the kubelet cannot', () => {
    expect(deploymentText(render({ values: good }).manifests)).toContain('"preStop":{"sleep":{"seconds":5}}');
    const older = deploymentText(render({ values: good, kubernetes: '1.29.0' }).manifests);
    expect(older).toContain('"preStop":{"exec":{"command":["node","-e","setTimeout(() => {}, 5000)"]}}');
  });

  test('another checksum from another configuration, so that pods are replaced', () => {
    expect(checksum('info')).toBe(checksum('info'));
    expect(checksum('warn')).not.toBe(checksum('info'));
  });

  test('no ambient token, and pods that the restricted standard admits, that of helm test too', () => {
    const { manifests } = render({ files: [path.join(CHART, 'ci/irsa-projected-values.yaml')] });
    for (const kind of ['Deployment', 'Pod']) {
      const text = JSON.stringify(pick(manifests, kind));
      expect(text).toContain('"automountServiceAccountToken":false');
      expect(text).toContain('"readOnlyRootFilesystem":true');
      expect(text).toContain('"allowPrivilegeEscalation":false');
      expect(text).toContain('"capabilities":{"drop":["ALL"]}');
      expect(text).toContain('"runAsNonRoot":true');
      expect(text).toContain('"seccompProfile":{"type":"RuntimeDefault"}');
      expect(text).not.toContain('hostPath');
    }
  });

  test.each([
    ['irsa-webhook', {}],
    ['irsa-projected', {}],
    ['pod-identity', {}],
    ['secret', { secret: { name: 'keys' } }],
  ])('from the identity %s that the role of the node is none', (identity, more) => {
    const roleArn = identity.startsWith('irsa') ? ROLE : '';
    const values = { config, aws: { identity, roleArn, ...more } };
    const envOf = (given: object): Readonly<Record<string, string>> =>
      containerOf(pick(render({ values: { ...values, ...given } }).manifests, 'Deployment')).env;
    expect(envOf({})).toMatchObject({ AWS_EC2_METADATA_DISABLED: 'true' });
    const own = [{ name: 'AWS_EC2_METADATA_DISABLED', value: 'false' }];
    expect(envOf({ extraEnv: own })).toMatchObject({ AWS_EC2_METADATA_DISABLED: 'false' });
  });

  test('for the pod of helm test the files that its arguments name, and no key that lies beside them', () => {
    const { manifests } = render({ files: [path.join(CHART, 'ci/tls-values.yaml')] });
    expect(containerOf(pick(manifests, 'Pod')).mounts.toSorted()).toEqual(['/etc/sender/token', '/etc/tls/ca.crt']);
    expect(containerOf(pick(manifests, 'Deployment')).mounts).toContain('/etc/tls');
    const unnamed = render({ files: [path.join(CHART, 'ci/hatches-values.yaml')] });
    expect(containerOf(pick(unnamed.manifests, 'Pod')).mounts).toEqual([]);
    expect(JSON.stringify(pick(unnamed.manifests, 'Pod'))).not.toContain('corporate-ca');
  });

  test('the names of the admin Service, beside those that are given', () => {
    const server = { admin_hosts: ['proxy.example'] };
    const { manifests } = render({ values: { ...good, config: { ...config, server } } });
    const { name } = pick(manifests, 'Service', '-admin').metadata;
    const names = ['', '.monitoring', '.monitoring.svc', '.monitoring.svc.cluster.local'].map((end) => `${name}${end}`);
    expect(configOf(manifests)).toMatchObject({ server: { admin_hosts: [...names, 'proxy.example'] } });
  });

  test.each<[string, object, object, boolean, string]>([
    ['nothing', {}, {}, false, 'Everybody who reaches the Service may write'],
    ['who writes', { senderNamespaces: ['team'] }, {}, true, ''],
    [
      'who writes, and that there is to be no policy',
      { enabled: false, senderNamespaces: ['team'] },
      {},
      false,
      'Everybody',
    ],
    ['that there is to be one', { enabled: true }, {}, true, 'Pods of every namespace may write'],
    ['a token', {}, { auth: { bearer_token_file: '/token' } }, false, ''],
    ['client certificates', {}, { tls: { cert_file: '/c', key_file: '/k', client_ca_file: '/a' } }, false, ''],
  ])(
    'from values that say %s whether there is a NetworkPolicy, and what is noted',
    (_what, policy, server, on, note) => {
      const notes = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'the-notes' },
        data: { notes: '{{ include "amp-write-proxy.whoMayWrite" . | quote }}' },
      };
      const values = { ...good, networkPolicy: policy, config: { ...config, server }, extraObjects: [notes] };
      const { manifests } = render({ values });
      expect(manifests.some(({ kind }) => kind === 'NetworkPolicy')).toBe(on);
      const text = fileIn(pick(manifests, 'ConfigMap', '-notes'), 'notes').replaceAll('"', '');
      expect(text === '').toBe(note === '');
      expect(text).toContain(note);
    },
  );

  test.each(['irsa', 'pod-identity'] as const)('from what bootstrap prints for %s the identity', (identity) => {
    const { manifests } = render({ values: proxyValues({ ...OUTPUTS, identity }) });
    const annotation = JSON.stringify(pick(manifests, 'ServiceAccount')).includes(`role-arn":"${OUTPUTS.roleArn}"`);
    expect(annotation).toBe(identity === 'irsa');
    expect(pick(manifests, 'Service').metadata.name).toBe('amp-write-proxy');
  });
});
