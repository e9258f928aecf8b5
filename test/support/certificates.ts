/** Certificates made by the system's openssl, so that their dates and names can be wrong on purpose. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run, temporaryDirectory } from './processes.ts';
import { findProgram } from './program.ts';

/** Undefined: tests that need it are skipped, visibly. */
export const OPENSSL = findProgram('openssl', 'OPENSSL_BIN');

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export class Authority {
  readonly #directory: string;
  #made = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Its own certificate, PEM, for `ca_file`. */
  get certificateFile(): string {
    return path.join(this.#directory, 'ca.crt');
  }

  /** @param dates as YYYYMMDDHHMMSSZ; default: valid for a day */
  async issue(subjectAltName: string, dates?: { readonly from: string; readonly to: string }): Promise<Certificate> {
    this.#made += 1;
    const name = `leaf-${this.#made}`;
    await writeFile(path.join(this.#directory, `${name}.ext`), `subjectAltName=${subjectAltName}\n`);
    await this.openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
    );
    const validity = dates === undefined ? ['-days', '1'] : ['-startdate', dates.from, '-enddate', dates.to];
    await this.openssl(
      'ca',
      '-batch',
      '-notext',
      '-config',
      'ca.cnf',
      '-extfile',
      `${name}.ext`,
      '-in',
      `${name}.csr`,
      '-out',
      `${name}.crt`,
      ...validity,
    );
    const read = async (extension: string): Promise<string> =>
      readFile(path.join(this.#directory, `${name}.${extension}`), 'utf8');
    return { cert: await read('crt'), key: await read('key') };
  }

  async openssl(...args: readonly string[]): Promise<void> {
    const { status, stderr } = await run(OPENSSL ?? 'openssl', args, { cwd: this.#directory });
    if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
  }
}

const CA_CONFIG = `[ca]
default_ca = here
[here]
dir = .
database = index.txt
new_certs_dir = issued
serial = serial
certificate = ca.crt
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
`;

export async function makeAuthority(): Promise<Authority> {
  const directory = await temporaryDirectory();
  const authority = new Authority(directory);
  await mkdir(path.join(directory, 'issued'));
  await writeFile(path.join(directory, 'ca.cnf'), CA_CONFIG);
  await writeFile(path.join(directory, 'index.txt'), '');
  await writeFile(path.join(directory, 'serial'), '01\n');
  await authority.openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=test authority',
    '-days',
    '2',
  );
  return authority;
}

/** Its own authority; undefined where openssl is missing. */
export function trySelfSigned(subjectAltName: string): Certificate | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'amp-write-proxy-tls-'));
  try {
    const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', `subjectAltName=${subjectAltName}`];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync(OPENSSL ?? 'openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...subject], {
      stdio: 'ignore',
    });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
