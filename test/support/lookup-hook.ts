/**
 * Loaded into the proxy by `node --import`, or into a test: names under `.invalid` are looked up in the JSON file
 * TEST_HOSTS_FILE at every call. A name has one address or a list of them. A name that is not in the file does not
 * resolve, as from a DNS server that does not know it.
 */
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

type Callback = (error: Error | null, address?: unknown, family?: number) => void;

const { lookup } = dns;

function lookupInFile(hostname: string, options: unknown, callback?: Callback): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the two forms of dns.lookup
  const done = (callback ?? options) as Callback;
  if (!hostname.endsWith('.invalid')) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- passed on as it came
    (lookup as (...args: unknown[]) => void)(...[hostname, options, callback].filter((one) => one !== undefined));
    return;
  }
  const hosts: unknown = JSON.parse(readFileSync(process.env['TEST_HOSTS_FILE'] ?? '', 'utf8'));
  const found: unknown = typeof hosts === 'object' && hosts !== null ? Reflect.get(hosts, hostname) : undefined;
  const addresses = (Array.isArray(found) ? found : [found]).filter((address) => typeof address === 'string');
  setImmediate(() => {
    const [first] = addresses;
    if (first === undefined) {
      done(
        Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }),
      );
    } else if (typeof options === 'object' && options !== null && Reflect.get(options, 'all') === true) {
      done(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      );
    } else {
      done(null, first, isIP(first));
    }
  });
}

Object.assign(dns, { lookup: lookupInFile });
