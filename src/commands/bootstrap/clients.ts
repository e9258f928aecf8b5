/**
 * The AWS clients, all built in one way: region, endpoint, the environment's HTTP proxy, patient retries, and errors that name the IAM action.
 *
 * Retries are the SDK's own standard mode (throttling, 5xx, broken connections; exponential with jitter), eight
 * attempts instead of three, since IAM throttles whole accounts; AWS_MAX_ATTEMPTS is honoured.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
 */
import { AmpClient } from '@aws-sdk/client-amp';
import { EKSClient } from '@aws-sdk/client-eks';
import { GrafanaClient } from '@aws-sdk/client-grafana';
import { IAMClient } from '@aws-sdk/client-iam';
import { STSClient } from '@aws-sdk/client-sts';

import { awsRequestHandler, type AwsRequestHandler } from '../../aws/aws-http.ts';
import { environmentProxy } from '../../config/proxy-route.ts';
import { shownWords } from '../../outcome/upstream-text.ts';
import { AwsCallError } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface AwsClients {
  readonly amp: AmpClient;
  readonly iam: IAMClient;
  readonly sts: STSClient;
  readonly eks: EKSClient;
  readonly grafana: GrafanaClient;
  destroy(): void;
}

const MAX_ATTEMPTS = 8;
const CONNECTION_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;

export function makeClients(region: string, env: Environment): AwsClients {
  const settingsOf = (service: string): ClientSettings => {
    const endpoint = env[`AWS_ENDPOINT_URL_${service}`] ?? env['AWS_ENDPOINT_URL'];
    return {
      region,
      maxAttempts: Number(env['AWS_MAX_ATTEMPTS'] ?? MAX_ATTEMPTS),
      requestHandler: awsRequestHandler(
        { proxy: environmentProxy(env) },
        { connectionMs: CONNECTION_TIMEOUT_MS, requestMs: REQUEST_TIMEOUT_MS },
      ),
      // An undefined endpoint would override endpoint_url in the shared configuration file.
      ...(endpoint === undefined || endpoint === '' ? {} : { endpoint }),
    };
  };
  const clients = {
    amp: named(new AmpClient(settingsOf('AMP')), 'aps'),
    iam: named(new IAMClient(settingsOf('IAM')), 'iam'),
    sts: named(new STSClient(settingsOf('STS')), 'sts'),
    eks: named(new EKSClient(settingsOf('EKS')), 'eks'),
    grafana: named(new GrafanaClient(settingsOf('GRAFANA')), 'grafana'),
  };
  return {
    ...clients,
    destroy: () => {
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}

/**
 * Returns the region from AWS_REGION, AWS_DEFAULT_REGION or the profile, as every SDK finds it; undefined if there is
 * none.
 */
export async function tryDefaultRegion(env: Environment): Promise<string | undefined> {
  const given = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'];
  if (given !== undefined && given !== '') return given;
  try {
    return await new STSClient({}).config.region();
  } catch {
    return undefined;
  }
}

interface ClientSettings {
  readonly region: string;
  readonly maxAttempts: number;
  readonly requestHandler: AwsRequestHandler;
  readonly endpoint?: string;
}

/** The part that all SDK clients share, as far as it is needed here. */
interface MiddlewareClient {
  readonly middlewareStack: {
    add(
      middleware: <Args, Output>(
        next: (args: Args) => Promise<Output>,
        context: { readonly commandName?: string },
      ) => (args: Args) => Promise<Output>,
      options: { readonly step: 'initialize'; readonly name: string; readonly priority: 'high' },
    ): void;
  };
}

/** Wraps the errors that a client throws once all its attempts are over. */
function named<Client>(client: Client, prefix: string): Client {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- five clients, five unrelated types of one stack
  const { middlewareStack } = client as unknown as MiddlewareClient;
  middlewareStack.add(
    (next, context) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        throw wrap(error, `${prefix}:${(context.commandName ?? '').replace(/Command$/u, '')}`);
      }
    },
    { step: 'initialize', name: 'nameTheAction', priority: 'high' },
  );
  return client;
}

function wrap(error: unknown, action: string): AwsCallError {
  if (error instanceof AwsCallError) return error;
  if (!(error instanceof Error)) return new AwsCallError('Unknown', action, shownWords(String(error)), error);
  // A socket's error carries its code beside its name; several of them come as one AggregateError without words.
  const socketCode = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const isSocketError = error.name === 'Error' || error.name === 'AggregateError';
  const code = isSocketError && socketCode !== undefined ? socketCode : error.name;
  const words = error.message === '' || error.message === 'UnknownError' ? code : error.message;
  return new AwsCallError(code.replace(/Exception$/u, ''), action, shownWords(words), error);
}
