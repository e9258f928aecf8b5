/** Makes connections to the upstream. */
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { UpstreamOptions } from './upstream.ts';

/** A socket that is connecting; it can be written to at once. */
export type Dial = (onread: OnReadOpts) => Socket;

const PROBE_AFTER_IDLE_MS = 60_000;
/**
 * The time for which one address of a host is tried before the next. Long enough for a lost SYN to be sent again, after
 * 1 s: with Node's default of half a second the first address would be given up for one that may be unreachable, as an
 * IPv6 address is in many networks. https://www.rfc-editor.org/rfc/rfc6298#section-2
 */
export const CONNECT_ATTEMPT_TIMEOUT_MS = 2_500;

/** Returns host and port, with the port that the scheme implies: `aps-workspaces.us-west-2.amazonaws.com:443`. */
export function addressOf(url: URL): string {
  return `${url.hostname}:${url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port}`;
}

export function dialler({ url, tls }: Pick<UpstreamOptions, 'url' | 'tls'>): Dial {
  const host = url.hostname.replaceAll(/^\[|\]$/g, '');
  const secure = url.protocol === 'https:';
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  const address = { host, port, autoSelectFamilyAttemptTimeout: CONNECT_ATTEMPT_TIMEOUT_MS };
  if (!secure) return (onread) => prepared(connect({ ...address, onread }));
  const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined);
  /** The session of the last handshake, which makes the next one cheaper. */
  let session: Buffer | undefined;
  let { ca } = tls;
  return (onread) => {
    // A resumed session would pass by the authorities that have replaced its own.
    if (tls.ca !== ca) session = undefined;
    ca = tls.ca;
    const options = {
      ...address,
      onread,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: !tls.insecureSkipVerify,
      ...(ca === undefined ? {} : { ca }),
      ...(tls.minVersion === undefined ? {} : { minVersion: tls.minVersion }),
      ...(tls.maxVersion === undefined ? {} : { maxVersion: tls.maxVersion }),
      ...(servername === undefined ? {} : { servername }),
      ...(session === undefined ? {} : { session }),
    };
    // The types of tls.connect do not know that it passes on what net.connect takes.
    const socket = connectTls(options as ConnectionOptions);
    socket.on('session', (latest: Buffer) => {
      session = latest;
    });
    // The session itself may be why the connection failed.
    socket.on('error', () => {
      session = undefined;
    });
    return prepared(socket);
  };
}

function prepared(socket: Socket): Socket {
  return socket.setNoDelay(true).setKeepAlive(true, PROBE_AFTER_IDLE_MS);
}
