/**
 * TLS for senders: certificate, key and the authority of client certificates, read again when they change. Open
 * connections keep the certificate they were made with.
 */
import { createSecureContext } from 'node:tls';
import { assertCertificates } from '../../platform/certificates.ts';
import { watchFiles, type WatchLog } from '../../platform/watched-file.ts';

export interface TlsConfig {
  readonly cert_file: string;
  readonly key_file: string;
  readonly client_ca_file?: string | undefined;
}

export interface TlsMaterial {
  cert: string;
  key: string;
  ca?: string;
  minVersion: 'TLSv1.2';
}

const MIN_VERSION = 'TLSv1.2';

export class ServerTls {
  readonly #config: TlsConfig;
  readonly #stop: () => void;
  #material: TlsMaterial = { cert: '', key: '', minVersion: MIN_VERSION };
  #changed: ((material: TlsMaterial) => void) | undefined;

  /** Throws if a file cannot be read or certificate and key do not belong together. */
  constructor(config: TlsConfig, log: WatchLog) {
    this.#config = config;
    const { cert_file: cert, key_file: key, client_ca_file: ca } = config;
    this.#stop = watchFiles(ca === undefined ? [cert, key] : [cert, key, ca], (contents) => this.#use(contents), log);
  }

  /** For https.createServer. */
  get options(): TlsMaterial & { requestCert: boolean; rejectUnauthorized: boolean } {
    const wantsClients = this.#config.client_ca_file !== undefined;
    return { ...this.#material, requestCert: wantsClients, rejectUnauthorized: wantsClients };
  }

  /** Calls `changed` with the material that new connections use from then on. */
  onChange(changed: (material: TlsMaterial) => void): void {
    this.#changed = changed;
  }

  stop(): void {
    this.#stop();
  }

  #use([cert = '', key = '', ca]: string[]): void {
    const material: TlsMaterial = {
      cert,
      key,
      minVersion: MIN_VERSION,
      ...(ca === undefined ? {} : { ca }),
    };
    // Node takes an empty text as absent: the server would then have no certificate, or trust every public authority.
    assertCertificates(cert, this.#config.cert_file);
    if (ca !== undefined) assertCertificates(ca, this.#config.client_ca_file ?? '');
    if (key.trim() === '') throw new Error(`${this.#config.key_file} holds no private key`);
    createSecureContext(material); // throws where they do not fit
    this.#material = material;
    this.#changed?.(material);
  }
}
