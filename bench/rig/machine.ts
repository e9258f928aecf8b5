// Describes the machine on which the figures were measured: they mean little without it.
import { execFileSync } from 'node:child_process';
import os from 'node:os';

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly date: string;
};

export function describeMachine(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 1e9),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** A certificate for 127.0.0.1 that is its own authority, made by openssl; undefined where there is no openssl. */
export function makeCertificate(directory: string): { keyFile: string; certFile: string } | undefined {
  const keyFile = `${directory}/sink-key.pem`;
  const certFile = `${directory}/sink-cert.pem`;
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  try {
    execFileSync('openssl', [...args, ...names, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
    return { keyFile, certFile };
  } catch {
    return undefined;
  }
}
