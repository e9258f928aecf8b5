/** Checks the path to the upstream: its name, its certificate, its region. */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { connect, type PeerCertificate } from 'node:tls';

import type { RemoteWriteConfig } from '../../config/schema.ts';
import { explain } from '../../outcome/explain.ts';
import { redact } from '../../outcome/redact.ts';
import { failedBy } from '../../send/upstream/failure.ts';
import { upstreamProxy } from '../../send/upstream/open-upstream.ts';
import type { CheckResult } from './check.ts';
import { failed, ok, skipped, warning } from './check.ts';

const TLS_TIMEOUT_MS = 10_000;
const SOON_DAYS = 14;

/** Reads the authorities of tls_config in PEM; a file that cannot be read is a failed check. */
export async function readAuthorities({
  tls_config: tls,
}: RemoteWriteConfig): Promise<{ ca: string | undefined; problem: CheckResult | undefined }> {
  if (tls.ca_file === undefined) return { ca: tls.ca, problem: undefined };
  try {
    return { ca: await readFile(tls.ca_file, 'utf8'), problem: undefined };
  } catch (error) {
    const message = `tls_config.ca_file ${tls.ca_file} cannot be read: ${codeOf(error)}`;
    return { ca: undefined, problem: failed('tls', message, 'Mount it, or correct the path.') };
  }
}

export async function checkDns(entry: RemoteWriteConfig): Promise<CheckResult> {
  const { url } = entry;
  const proxyUrl = upstreamProxy(entry)?.url;
  const { hostname } = new URL(proxyUrl ?? url);
  const host = hostname.replaceAll(/^\[|\]$/gu, '');
  const what = proxyUrl === undefined ? host : `the HTTP proxy ${host}`;
  if (isIP(host) !== 0) return ok('dns', `${what} is an address`);
  try {
    const addresses = await lookup(host, { all: true });
    const list = addresses.map(({ address }) => address);
    const kind = list.every(isPrivate) ? ', private: a VPC endpoint or this machine' : '';
    return ok('dns', `${what} is ${list.slice(0, 3).join(', ')}${kind}`);
  } catch (error) {
    const code = codeOf(error);
    const remedy =
      code === 'ENOTFOUND'
        ? 'Check the region in the url (the host is aps-workspaces.REGION.amazonaws.com); in a private network, that the VPC endpoint of aps-workspaces has private DNS.'
        : "Check the pod's DNS: its NetworkPolicy has to let port 53 (UDP and TCP) out, and CoreDNS has to answer.";
    return failed('dns', `${what} is not found: ${code}`, remedy);
  }
}

/** @param ca the authorities of tls_config, in PEM */
export async function checkTls(entry: RemoteWriteConfig, ca: string | undefined): Promise<CheckResult> {
  const { url, tls_config: tls } = entry;
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'https:') return warning('tls', 'the url is plain http', 'Use https: AMP speaks nothing else.');
  if (upstreamProxy(entry) !== undefined)
    return skipped('tls', 'the way leads through an HTTP proxy; the write below shows it');
  const host = hostname.replaceAll(/^\[|\]$/gu, '');
  const servername = tls.server_name ?? (isIP(host) === 0 ? host : undefined);
  try {
    const seen = await handshake({
      host,
      port: Number(port || 443),
      ca,
      servername,
      insecure: tls.insecure_skip_verify,
    });
    return judgeCertificate(seen, tls.insecure_skip_verify);
  } catch (error) {
    const answer = failedBy(error);
    // The other kind occurs only if the upstream has answered.
    const [reason, message] = answer.kind === 'failed' ? [answer.reason, answer.message] : ['tls', ''];
    return failed('tls', `${hostname}:${port || 443}: ${redact(message)}`, explain(reason).remedy);
  }
}

/** Checks that requests are signed for the region of the workspace. */
export function checkRegion({ url, sigv4 }: RemoteWriteConfig): CheckResult {
  const { hostname, pathname } = new URL(url);
  const workspace = /^\/workspaces\/([^/]+)/u.exec(pathname)?.[1] ?? 'no workspace';
  const inHost = /(?:^|\.)aps-workspaces(?:-fips)?\.([a-z0-9-]+)\./u.exec(hostname)?.[1];
  if (inHost === undefined) {
    return skipped('region', `${hostname} names no region; signing for ${sigv4.region}`);
  }
  if (inHost === sigv4.region) return ok('region', `${workspace} in ${inHost}, as it is signed`);
  return failed(
    'region',
    `the url is of ${inHost}, but requests are signed for ${sigv4.region}`,
    `Remove sigv4.region, or make it ${inHost}.`,
  );
}

interface Handshake {
  readonly host: string;
  readonly port: number;
  readonly ca: string | undefined;
  readonly servername: string | undefined;
  readonly insecure: boolean;
}

interface Seen {
  readonly certificate: PeerCertificate;
  readonly protocol: string;
}

async function handshake({ host, port, ca, servername, insecure }: Handshake): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host,
        port,
        rejectUnauthorized: !insecure,
        ...(ca === undefined ? {} : { ca }),
        ...(servername === undefined ? {} : { servername }),
      },
      () => {
        resolve({ certificate: socket.getPeerCertificate(), protocol: socket.getProtocol() ?? 'TLS' });
        socket.destroy();
      },
    );
    socket.setTimeout(TLS_TIMEOUT_MS, () => {
      const words = `no ${socket.connecting ? 'connection' : 'TLS handshake'} within ${TLS_TIMEOUT_MS} ms`;
      socket.destroy(Object.assign(new Error(words), socket.connecting ? { code: 'ETIMEDOUT' } : {}));
    });
    socket.once('error', reject);
  });
}

function judgeCertificate({ certificate, protocol }: Seen, insecure: boolean): CheckResult {
  const days = Math.floor((Date.parse(certificate.valid_to) - Date.now()) / 86_400_000);
  const issuer = [certificate.issuer.O ?? certificate.issuer.CN].flat()[0] ?? 'nobody';
  const words = `${protocol}, certificate of ${issuer} for ${days} more days`;
  if (insecure) {
    return warning('tls', `${words}, but it is not checked`, 'Remove tls_config.insecure_skip_verify; use ca_file.');
  }
  return days < SOON_DAYS ? warning('tls', words, 'Have it renewed.') : ok('tls', words);
}

function isPrivate(address: string): boolean {
  return /^(?:10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|::1$|f[cd])/u.test(address);
}

export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}
