/** The outputs of the bootstrap command after an installation. */
import type { Outputs } from '../../src/commands/bootstrap/output.ts';

export const OUTPUTS: Outputs = {
  accountId: '123456789012',
  partition: 'aws',
  region: 'us-west-2',
  workspaceId: 'ws-EXAMPLE',
  workspaceArn: 'arn:aws:aps:us-west-2:123456789012:workspace/ws-EXAMPLE',
  remoteWriteUrl: 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write',
  queryUrl: 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE',
  identity: 'irsa',
  roleArn: 'arn:aws:iam::123456789012:role/amp-write-proxy',
  policyArn: 'arn:aws:iam::123456789012:policy/amp-write-proxy',
  namespace: 'monitoring',
  serviceAccount: 'amp-write-proxy',
};
