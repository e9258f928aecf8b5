/**
 * `npm run sandbox`: runs the sandbox until SIGINT or SIGTERM, then exits 0.
 *
 * Prints what the proxy's configuration needs to reach it. The keys it prints belong to no AWS account.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Sandbox, SandboxOptions } from './sandbox.ts';
import { startSandbox } from './sandbox.ts';

const USAGE = `Usage: npm run sandbox -- [options]

A stand-in for Amazon Managed Service for Prometheus and AWS STS on 127.0.0.1.

  --port N              remote_write and queries (default: a free port)
  --sts-port N          STS, container credentials and OIDC documents (default: a free port)
  --control-port N      control API (default: a free port)
  --region NAME         default us-west-2
  --workspace ID        default ws-sandbox
  --role-arn ARN        the only role that may be assumed (default: any)
  --external-id ID      what AssumeRole has to carry (default: nothing)
  --oidc-subject SUB    default system:serviceaccount:monitoring:amp-write-proxy
  --oidc-audience AUD   default sts.amazonaws.com
  --backend URL         a Prometheus or VictoriaMetrics that answers queries and takes what is written
  --alertmanager URL    an Alertmanager that answers the workspace's alertmanager/api/v2
  --token-file FILE     write a web identity token there
  --quiet               print the ports only, as one line of JSON
  --help
`;

export async function main(args: string[]): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        port: { type: 'string', default: '0' },
        'sts-port': { type: 'string', default: '0' },
        'control-port': { type: 'string', default: '0' },
        region: { type: 'string', default: 'us-west-2' },
        workspace: { type: 'string', default: 'ws-sandbox' },
        'role-arn': { type: 'string' },
        'external-id': { type: 'string' },
        'oidc-subject': { type: 'string' },
        'oidc-audience': { type: 'string' },
        backend: { type: 'string' },
        alertmanager: { type: 'string' },
        'token-file': { type: 'string' },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const ports = [values.port, values['sts-port'], values['control-port']].map(parsePort);
  const [port, stsPort, controlPort] = ports;
  if (port === undefined || stsPort === undefined || controlPort === undefined) {
    console.error(`a port is a number from 0 to 65535\n\n${USAGE}`);
    return 2;
  }
  const options: SandboxOptions = {
    port,
    stsPort,
    controlPort,
    region: values.region,
    workspaceId: values.workspace,
    backend: values.backend,
    alertmanager: values.alertmanager,
    ...(values['role-arn'] === undefined ? {} : { roleArn: values['role-arn'] }),
    ...(values['external-id'] === undefined ? {} : { externalId: values['external-id'] }),
    ...(values['oidc-subject'] === undefined ? {} : { oidcSubject: values['oidc-subject'] }),
    ...(values['oidc-audience'] === undefined ? {} : { oidcAudience: values['oidc-audience'] }),
  };
  const sandbox = await startSandbox(options);
  const tokenFile = values['token-file'];
  if (tokenFile !== undefined) {
    writeFileSync(tokenFile, sandbox.issueWebIdentityToken(), { mode: 0o600 });
    chmodSync(tokenFile, 0o600);
  }
  console.log(values.quiet ? describeAsJson(sandbox) : describe(sandbox, tokenFile));
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  await sandbox.close();
  return 0;
}

function parsePort(text: string): number | undefined {
  const port = Number(text);
  return /^\d+$/u.test(text) && port <= 65_535 ? port : undefined;
}

function describeAsJson(sandbox: Sandbox): string {
  const { url, remoteWriteUrl, stsUrl, controlUrl, region, accessKeyId, secretAccessKey } = sandbox;
  return JSON.stringify({ url, remoteWriteUrl, stsUrl, controlUrl, region, accessKeyId, secretAccessKey });
}

function describe(sandbox: Sandbox, tokenFile: string | undefined): string {
  return `The sandbox is up: a stand-in for AMP and STS on loopback. Its keys are of no AWS account.

For the proxy's configuration:

    remote_write:
      - name: sandbox
        url: ${sandbox.remoteWriteUrl}
        sigv4:
          region: ${sandbox.region}
          access_key: ${sandbox.accessKeyId}
          secret_key: ${sandbox.secretAccessKey}

or leave out the keys and use a role, as with IRSA:

    export AWS_REGION=${sandbox.region}
    export AWS_ROLE_ARN=arn:aws:iam::123456789012:role/sandbox
    export AWS_WEB_IDENTITY_TOKEN_FILE=${tokenFile ?? 'FILE   # made by --token-file FILE'}
    export AWS_ENDPOINT_URL_STS=${sandbox.stsUrl}

Control API: ${sandbox.controlUrl}/sandbox/stats (also series, requests, faults, reset, token, clock, credentials, rules)
Container credentials: ${sandbox.containerCredentialsUrl}
Stop with Ctrl-C.`;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
