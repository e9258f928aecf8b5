import { describe, expect, test } from 'vitest';
import { helm, tryRender } from './helm.ts';

const ROLE = 'arn:aws:iam::123456789012:role/amp-write-proxy';
const URL = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write';
const ANNOTATION = { 'eks.amazonaws.com/role-arn': ROLE };
const config = { remote_write: [{ url: URL }] };
const good = { aws: { roleArn: ROLE }, config };

describe.skipIf(helm === undefined)('the chart', () => {
  test('renders the values that the others are changed from', () => {
    expect(tryRender({ values: good })).toMatchObject({ status: 0, stderr: '' });
  });

  test.each<[string, object, string | RegExp]>([
    ['no upstream', { aws: { roleArn: ROLE } }, 'config.remote_write is empty'],
    ['no role for the webhook', { config }, 'no role is named'],
    [
      'two roles',
      { ...good, serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': `${ROLE}-other` } } },
      'remove one of them',
    ],
    [
      'the annotation of the webhook beside another identity',
      { config, aws: { identity: 'pod-identity' }, serviceAccount: { annotations: ANNOTATION } },
      'which the webhook would follow as well',
    ],
    ['a projected token without a role', { config, aws: { identity: 'irsa-projected' } }, 'aws.roleArn is empty'],
    ['static keys without a Secret', { config, aws: { identity: 'secret' } }, 'aws.secret.name is empty'],
    ['a Secret that nothing uses', { config, aws: { roleArn: ROLE, secret: { name: 'a' } } }, 'does not use it'],
    [
      'a key in the ConfigMap',
      { ...good, config: { remote_write: [{ url: URL, sigv4: { access_key: 'AKIA', secret_key: 'x' } }] } },
      'for everybody to read',
    ],
    ['two scalers', { ...good, autoscaling: { enabled: true }, keda: { enabled: true } }, 'two scalers would fight'],
    [
      'a scaler without a metric',
      { ...good, autoscaling: { enabled: true, targetCPUUtilizationPercentage: 0 } },
      'without a metric',
    ],
    ['KEDA without a trigger', { ...good, keda: { enabled: true, cpuUtilization: 0 } }, 'without a trigger'],
    [
      'a percentage of no CPU request',
      { ...good, autoscaling: { enabled: true }, resources: { requests: { cpu: null } } },
      'resources.requests.cpu, which is not set',
    ],
    [
      'more pods at least than at most',
      { ...good, keda: { enabled: true, minReplicas: 9, maxReplicas: 3 } },
      'keda.minReplicas is 9 and maxReplicas is 3',
    ],
    ['a budget that holds every pod', { ...good, podDisruptionBudget: { minAvailable: 2 } }, 'no node could ever'],
    ['two monitors', { ...good, serviceMonitor: { enabled: true }, podMonitor: { enabled: true } }, 'scraped twice'],
    [
      'one port for both',
      { ...good, config: { ...config, server: { admin_listen: '0.0.0.0:8005' } } },
      'both take port 8005',
    ],
    [
      'more workers than the memory has room for',
      { ...good, resources: { limits: { memory: '512Mi' } }, config: { ...config, server: { workers: 2 } } },
      'they need 608Mi at least',
    ],
    [
      'workers for every processor of any node',
      { ...good, config: { ...config, server: { workers: 'auto' } } },
      'CPU limit',
    ],
    [
      'a number of workers that only the start tells',
      { ...good, config: { ...config, server: { workers: '${N}' } } },
      'known before the start',
    ],
    ['a port that only the start tells', { ...good, config: { ...config, server: { listen: ':0' } } }, 'known before'],
    [
      'a port that nobody reaches',
      { ...good, config: { ...config, server: { listen: '127.0.0.1:8005' } } },
      'nobody outside the pod reaches it',
    ],
    ['a grace period that cuts requests off', { ...good, terminationGracePeriodSeconds: 30 }, 'must be 40 at least'],
    [
      'a grace period that follows from a variable',
      { ...good, config: { ...config, server: { shutdown_timeout: '${T}' } } },
      'config.server.shutdown_timeout is',
    ],
    ['no memory limit', { ...good, resources: { limits: { memory: null } } }, 'set it to a quantity'],
    ['too little memory', { ...good, resources: { limits: { memory: '256Mi' } } }, 'needs 384Mi at least'],
    ['NODE_OPTIONS beside ours', { ...good, extraEnv: [{ name: 'NODE_OPTIONS', value: 'x' }] }, 'use nodeOptions'],
    [
      'two ways to choose a near pod',
      { ...good, service: { trafficDistribution: 'PreferClose', internalTrafficPolicy: 'Local' } },
      'has no effect',
    ],
    ['an unknown value', { ...good, replicas: 3 }, /additional propert.*'?replicas/i],
    [
      'an unknown key of the configuration',
      { ...good, config: { ...config, sever: {} } },
      /additional propert.*'?sever/i,
    ],
    ['an identity that is none', { ...good, aws: { identity: 'magic' } }, /aws.identity'?:? .*must be one of/],
  ])('refuses %s with a sentence', (_what, values, sentence) => {
    const { status, stderr } = tryRender({ values });
    expect(stderr).toMatch(sentence);
    expect(status).toBe(1);
  });

  test('refuses a feature of a newer Kubernetes', () => {
    const values = { ...good, service: { trafficDistribution: 'PreferClose' } };
    const { stderr } = tryRender({ values, kubernetes: '1.30.0' });
    expect(stderr).toContain('service.trafficDistribution needs Kubernetes 1.31 and this is v1.30.0');
  });
});
