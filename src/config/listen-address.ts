/** Addresses to listen on: `0.0.0.0:8005`, `[::]:8005`, `localhost:8005`, and `:8005` for every address. */
export interface ListenAddress {
  /** An address or host name, IPv6 without brackets, as node:net takes it. */
  readonly host: string;
  /** Port 0 lets the system choose. */
  readonly port: number;
}

const BRACKETED = /^\[([0-9a-fA-F:.]+)\]:(\d{1,5})$/;
const PLAIN = /^([A-Za-z0-9._-]*):(\d{1,5})$/;

/** Returns undefined if the text is not an address with a port from 0 to 65535. */
export function tryParseListenAddress(text: string): ListenAddress | undefined {
  const match = BRACKETED.exec(text) ?? PLAIN.exec(text);
  if (match === null) return undefined;
  const port = Number(match[2]);
  if (port > 65_535) return undefined;
  // On Linux `::` takes IPv4 as well, which is what Go's `:8005` means.
  const host = match[1] === undefined || match[1] === '' ? '::' : match[1];
  return { host, port };
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
