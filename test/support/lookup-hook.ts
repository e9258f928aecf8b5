/**
 * Loaded into the proxy by `node --import`: names under `.invalid` are looked up in the JSON file TEST_HOSTS_FILE at
 * every call, and what is not there does not resolve, as from a DNS server that does not know it.
 */
import dns from 'node:dns';
import { readFileSync } from 'node:fs';

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
  const address: unknown = typeof hosts === 'object' && hosts !== null ? Reflect.get(hosts, hostname) : undefined;
  setImmediate(() => {
    if (typeof address !== 'string') {
      done(
        Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }),
      );
    } else if (typeof options === 'object' && options !== null && Reflect.get(options, 'all') === true) {
      done(null, [{ address, family: 4 }]);
    } else {
      done(null, address, 4);
    }
  });
}

Object.assign(dns, { lookup: lookupInFile });
