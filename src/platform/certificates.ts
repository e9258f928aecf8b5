/** Certificates in PEM, as files of TLS hold them. */
import { X509Certificate } from 'node:crypto';

/** Throws unless the text holds certificates in PEM, at least one, and each can be read. */
export function assertCertificates(pem: string, file: string): void {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) throw new Error(`${file} holds no certificate in PEM`);
  for (const certificate of certificates) new X509Certificate(certificate).toString();
}
