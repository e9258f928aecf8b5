/** TLS to the upstream according to tls_config. Its file of authorities is read again when it changes. */
import type { SecureVersion } from 'node:tls';
import type { UpstreamTlsConfig } from '../../config/schema.ts';
import { assertCertificates } from '../../platform/certificates.ts';
import { watchFiles, type WatchLog } from '../../platform/watched-file.ts';
import type { UpstreamTls } from './upstream.ts';

const VERSIONS: Readonly<Record<UpstreamTlsConfig['min_version'], SecureVersion>> = {
  // Older versions are not supported: a range that begins with one of them begins with 1.2.
  TLS10: 'TLSv1.2',
  TLS11: 'TLSv1.2',
  TLS12: 'TLSv1.2',
  TLS13: 'TLSv1.3',
};

/** @param ca the value of `ca` or the content of `ca_file` */
export function upstreamTls(config: UpstreamTlsConfig, ca: string | undefined): UpstreamTls {
  return {
    ca,
    servername: config.server_name,
    insecureSkipVerify: config.insecure_skip_verify,
    minVersion: VERSIONS[config.min_version],
    maxVersion: VERSIONS[config.max_version],
  };
}

export class WatchedUpstreamTls implements UpstreamTls {
  readonly servername: UpstreamTls['servername'];
  readonly insecureSkipVerify: UpstreamTls['insecureSkipVerify'];
  readonly minVersion: UpstreamTls['minVersion'];
  readonly maxVersion: UpstreamTls['maxVersion'];
  #ca: string | undefined;
  #stop = (): void => undefined;

  /** Throws if ca_file cannot be read or holds no certificate. */
  constructor(config: UpstreamTlsConfig, log: WatchLog) {
    const { ca, servername, insecureSkipVerify, minVersion, maxVersion } = upstreamTls(config, config.ca);
    this.#ca = ca;
    this.servername = servername;
    this.insecureSkipVerify = insecureSkipVerify;
    this.minVersion = minVersion;
    this.maxVersion = maxVersion;
    const { ca_file: file } = config;
    if (file === undefined) return;
    const use = ([pem = '']: string[]): void => {
      assertCertificates(pem, file);
      this.#ca = pem;
    };
    this.#stop = watchFiles([file], use, log);
  }

  get ca(): string | undefined {
    return this.#ca;
  }

  stop(): void {
    this.#stop();
  }
}
