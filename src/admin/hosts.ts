/**
 * Decides which Host a request to the admin port may name. A page that a browser has loaded from elsewhere can point
 * the name of its own host at this port (DNS rebinding, as through `kubectl port-forward`) and then read everything;
 * the request still names that host. An address cannot be redirected, nor can localhost; every other name has to be
 * known.
 */
import { isIP } from 'node:net';

const BRACKETED = /^\[([^\]]+)\](?::\d+)?$/;
const NAME = /^([^:]*)(?::\d+)?$/;

export class AdminHosts {
  readonly #names: ReadonlySet<string>;
  /** The suffixes with their leading dot. */
  readonly #suffixes: readonly string[];

  /** @param hosts names, or `*.NAME` for all below it @param listen host of server.admin_listen */
  constructor(hosts: readonly string[], listen: string) {
    const names = hosts.map((host) => host.toLowerCase());
    this.#suffixes = names.filter((name) => name.startsWith('*.')).map((name) => name.slice(1));
    this.#names = new Set(['localhost', listen.toLowerCase(), ...names.filter((name) => !name.startsWith('*.'))]);
  }

  /** @param header undefined if a request has none, which no browser sends */
  allows(header: string | undefined): boolean {
    if (header === undefined) return true;
    const inBrackets = BRACKETED.exec(header)?.[1];
    if (inBrackets !== undefined) return isIP(inBrackets) === 6;
    const name = NAME.exec(header)?.[1]?.toLowerCase().replace(/\.$/, '');
    if (name === undefined || name === '') return false;
    return isIP(name) === 4 || this.#names.has(name) || this.#suffixes.some((suffix) => name.endsWith(suffix));
  }
}
