/** How calls to AWS itself (STS, IAM, ...) leave: through the HTTP proxy where there is one, trusting the given authorities. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { getCACertificates } from 'node:tls';
import type { ProxyVariables } from '../config/proxy-route.ts';

export interface WayToAws {
  readonly proxy: ProxyVariables;
  /** Authorities (CAs) in PEM to trust besides the built-in ones: those of a gateway that inspects TLS. */
  readonly ca?: string | undefined;
}

/** Options of the AWS SDK's own HTTP handler for Node, which its clients take as `requestHandler`. */
export interface AwsRequestHandler {
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
}

/** @param timeouts milliseconds to connect, and for an answer */
export function awsRequestHandler(
  { proxy, ca }: WayToAws,
  timeouts: { readonly connectionMs: number; readonly requestMs: number },
): AwsRequestHandler {
  const proxyEnv = { ...proxy, NO_PROXY: withNamesBelow(proxy.NO_PROXY ?? '') };
  return {
    httpAgent: new HttpAgent({ proxyEnv }),
    httpsAgent: new HttpsAgent({
      proxyEnv,
      ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }),
    }),
    connectionTimeout: timeouts.connectionMs,
    requestTimeout: timeouts.requestMs,
  };
}

/** Node's agents take `name` for that name alone; here and in Prometheus it stands for every name below it too. */
function withNamesBelow(exemptions: string): string {
  return exemptions
    .split(',')
    .map((each) => each.trim())
    .flatMap((each) => (/^[a-z_]/i.test(each) ? [each, `.${each}`] : [each]))
    .join(',');
}
