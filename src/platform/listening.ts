/** Listening on an address, and who it is that connects. */
import type { Socket } from 'node:net';

interface ListenLog {
  warn(fields: object, message: string): void;
}

/** The errors by which Linux reports that IPv6 is not compiled in, or switched off. */
const NO_IPV6: ReadonlySet<unknown> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);

/**
 * Listens on `[::]`, which takes IPv4 as well; on a machine without IPv6 on 0.0.0.0 instead, with a word in the log. Other
 * addresses are listened on as they are.
 * @param listen rejects with an error of node:net when it cannot
 * @returns what `listen` does: where it listens
 */
export async function listenOn(
  address: { readonly host: string; readonly port: number },
  listen: (address: { host: string; port: number }) => Promise<string>,
  log: ListenLog,
): Promise<string> {
  try {
    return await listen({ ...address });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (address.host !== '::' || !NO_IPV6.has(code)) throw error;
    log.warn({ port: address.port, code }, 'there is no IPv6 here: listening on 0.0.0.0 instead of [::]');
    return listen({ host: '0.0.0.0', port: address.port });
  }
}

const MAPPED = '::ffff:';

/** The other side's address, '' when the socket has ended. IPv4 is written as such, also on a socket of IPv6. */
export function remoteAddress({ remoteAddress: address }: Pick<Socket, 'remoteAddress'>): string {
  if (address === undefined) return '';
  return address.startsWith(MAPPED) && address.includes('.') ? address.slice(MAPPED.length) : address;
}
