/** How connections to the upstream are made. */
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { UpstreamOptions } from './upstream.ts';

/** A socket that is connecting; it can be written to at once. */
export type Dial = (onread: OnReadOpts) => Socket;

const PROBE_AFTER_IDLE_MS = 60_000;

export function dialler({ url, tls }: Pick<UpstreamOptions, 'url' | 'tls'>): Dial {
  const host = url.hostname.replaceAll(/^\[|\]$/g, '');
  const secure = url.protocol === 'https:';
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  if (!secure) return (onread) => prepared(connect({ host, port, onread }));
  const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined);
  /** Of the last handshake, which makes the next one cheaper. */
  let session: Buffer | undefined;
  return (onread) => {
    const options = {
      host,
      port,
      onread,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: !tls.insecureSkipVerify,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(servername === undefined ? {} : { servername }),
      ...(session === undefined ? {} : { session }),
    };
    // The types of tls.connect do not know that it passes `onread` on.
    const socket = connectTls(options as ConnectionOptions);
    socket.on('session', (latest: Buffer) => {
      session = latest;
    });
    // It may be what the other side chokes on.
    socket.on('error', () => {
      session = undefined;
    });
    return prepared(socket);
  };
}

function prepared(socket: Socket): Socket {
  return socket.setNoDelay(true).setKeepAlive(true, PROBE_AFTER_IDLE_MS);
}
