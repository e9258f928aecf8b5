/** Policy documents, their differences, and the words for them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { describe, expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';

import { placeOf } from '../../../src/commands/bootstrap/arn.ts';
import { lineDiff } from '../../../src/commands/bootstrap/line-diff.ts';
import { formatEnv, formatHelm, prometheusValues, proxyValues } from '../../../src/commands/bootstrap/output.ts';
import { isSamePolicy, readPolicyDocument, withStatements } from '../../../src/commands/bootstrap/policy-document.ts';
import { ingestPolicy } from '../../../src/commands/bootstrap/policy.ts';
import { wrap } from '../../../src/commands/bootstrap/screen.ts';
import { describeTrust, grafanaTrust, irsaTrust, podIdentityTrust } from '../../../src/commands/bootstrap/trust.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { isTrusted } from '../../../src/dev/sandbox/trust-policy.ts';

const ARN = 'arn:aws:aps:us-west-2:123456789012:workspace/ws-1';

describe('policy documents', () => {
  test('are the same whatever the order of keys and actions, and one value or a list of one', () => {
    const other = {
      Statement: {
        Resource: [ARN],
        Action: ['aps:QueryMetrics', 'aps:GetSeries', 'aps:RemoteWrite', 'aps:GetLabels', 'aps:GetMetricMetadata'],
        Effect: 'Allow',
        Sid: 'AmpWriteProxy',
      },
      Version: '2012-10-17',
    };
    expect(isSamePolicy(readPolicyDocument(JSON.stringify(other)), ingestPolicy(ARN, true))).toBe(true);
    expect(isSamePolicy(readPolicyDocument(encodeURIComponent(JSON.stringify(other))), ingestPolicy(ARN, true))).toBe(
      true,
    );
    expect(isSamePolicy(readPolicyDocument(JSON.stringify(other)), ingestPolicy(ARN, false))).toBe(false);
    expect(readPolicyDocument('not a document')).toBeUndefined();
  });

  test('of others get our statement once, and keep theirs', () => {
    const theirs = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] };
    const once = withStatements(theirs, ingestPolicy(ARN, false));
    expect(once.Statement).toHaveLength(2);
    expect(withStatements(once, ingestPolicy(ARN, false))).toEqual(once);
    const moved = withStatements(once, ingestPolicy(`${ARN}2`, false));
    expect(moved.Statement).toHaveLength(2);
    expect(moved.Statement[1]).toMatchObject({ Resource: `${ARN}2` });
  });

  test('are shown by what differs, with a line around it', () => {
    expect(lineDiff('a\nb\nc\nd\ne', 'a\nb\nX\nd\ne')).toEqual(['  b', '- c', '+ X', '  d']);
    expect(lineDiff('same', 'same')).toEqual([]);
  });
});

describe('trust', () => {
  // https://docs.aws.amazon.com/grafana/latest/userguide/cross-service-confused-deputy-prevention.html
  test("of Grafana's role is for the workspaces of one account in one region", () => {
    expect(grafanaTrust({ partition: 'aws', region: 'us-west-2', accountId: '123456789012' })).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'AmpWriteProxyGrafana',
          Effect: 'Allow',
          Principal: { Service: 'grafana.amazonaws.com' },
          Action: 'sts:AssumeRole',
          Condition: {
            StringEquals: { 'aws:SourceAccount': '123456789012' },
            StringLike: { 'aws:SourceArn': 'arn:aws:grafana:us-west-2:123456789012:/workspaces/*' },
          },
        },
      ],
    });
  });

  const account = { namespace: 'prometheus', serviceAccount: 'writer' };
  const issuer = 'oidc.eks.cn-north-1.amazonaws.com.cn/id/A';

  test('lets in one service account of one cluster, and nobody else, in every partition', () => {
    for (const partition of ['aws', 'aws-cn', 'aws-us-gov']) {
      const place = placeOf(`arn:${partition}:sts::123456789012:assumed-role/a/b`, 'x-y-1');
      if (place === undefined) throw new Error('no place');
      const trust = irsaTrust(place, issuer, account);
      const pod = {
        issuer: `https://${issuer}`,
        subject: 'system:serviceaccount:prometheus:writer',
        audience: 'sts.amazonaws.com',
      };
      expect(trust.Statement[0]?.['Principal']).toEqual({
        Federated: `arn:${partition}:iam::123456789012:oidc-provider/${issuer}`,
      });
      expect(isTrusted(trust, '123456789012', pod)).toBe(true);
      expect(isTrusted(trust, '123456789012', { ...pod, subject: 'system:serviceaccount:default:writer' })).toBe(false);
      expect(isTrusted(trust, '123456789012', { ...pod, audience: 'vault' })).toBe(false);
      expect(isTrusted(trust, '123456789012', { ...pod, issuer: 'https://elsewhere' })).toBe(false);
      expect(isTrusted(trust, '210987654321', pod)).toBe(false);
    }
  });

  test('is told in words', () => {
    const place = { partition: 'aws', accountId: '123456789012', region: 'us-west-2' };
    expect(describeTrust(podIdentityTrust(place, 'prod', account))).toEqual([
      'trust: Allow sts:AssumeRole, sts:TagSession to pods.eks.amazonaws.com',
      '  where aws:RequestTag/eks-cluster-arn StringEquals arn:aws:eks:us-west-2:123456789012:cluster/prod',
      '  where aws:RequestTag/kubernetes-namespace StringEquals prometheus',
      '  where aws:RequestTag/kubernetes-service-account StringEquals writer',
    ]);
    expect(describeTrust({ Version: '1', Statement: [{ Effect: 'Allow', Principal: '*', Action: '*' }] })).toEqual([
      'trust: Allow * to *',
      '  without any condition',
    ]);
  });
});

describe('values', () => {
  const outputs = {
    accountId: '123456789012',
    partition: 'aws',
    region: 'us-west-2',
    workspaceId: 'ws-1',
    workspaceArn: ARN,
    remoteWriteUrl: 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/remote_write',
    queryUrl: 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1',
    identity: 'irsa',
    roleArn: 'arn:aws:iam::123456789012:role/writer',
    policyArn: 'arn:aws:iam::123456789012:policy/Write',
    namespace: 'prometheus',
    serviceAccount: 'writer',
  } as const;

  test('of the chart hold a configuration that the proxy takes without a warning', () => {
    const { config, warnings } = parseConfig(stringify(proxyValues(outputs)['config']), {});
    expect(warnings).toEqual([]);
    expect(config.remote_write[0]).toMatchObject({ name: 'default', url: outputs.remoteWriteUrl });
  });

  test('as environment lines are what a shell reads', async () => {
    const lines = formatEnv({ ...outputs, grafanaUrl: "https://it's $(touch /nowhere).example.com" });
    const script = `set -eu\n${lines}printf '%s|%s' "$AMP_ROLE_ARN" "$GRAFANA_URL"`;
    const { stdout } = await promisify(execFile)('sh', ['-c', script]);
    expect(stdout).toBe(`${outputs.roleArn}|https://it's $(touch /nowhere).example.com`);
  });

  test('of both charts are two documents, the proxy first, of which helm -f reads the first', () => {
    const [first, second] = parseAllDocuments(formatHelm(outputs, undefined)).map(
      (document) => document.toJS() as unknown,
    );
    expect(first).toEqual(proxyValues(outputs));
    expect(second).toEqual(prometheusValues(outputs));
  });
});

describe('wrap', () => {
  test('keeps every character, in lines of less than 80', () => {
    const text = `see https://aps-workspaces.us-west-2.amazonaws.com/workspaces/${'x'.repeat(200)}/api and then more words`;
    const wrapped = wrap(text, '  ', '      ');
    expect(wrapped.split('\n').every((line) => line.length < 80)).toBe(true);
    expect(wrapped.replaceAll(/\s/gu, '')).toBe(text.replaceAll(/\s/gu, ''));
  });
});
