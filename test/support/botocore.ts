/** botocore, the signer of the AWS CLI, as a second verifier of our signatures. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT, run } from './processes.ts';
import { findProgram } from './program.ts';

const SCRIPT = path.join(ROOT, 'test/support/botocore_signature.py');
const PYTHON = findProgram('python3', 'PYTHON_BIN');

export const HAS_BOTOCORE: boolean =
  PYTHON !== undefined &&
  spawnSync(PYTHON, [SCRIPT], { input: '{"probe": true}', encoding: 'utf8' }).stdout.includes('botocore is here');

export interface SignedRequest {
  readonly method: string;
  /** Whole, as it was sent. */
  readonly url: string;
  /** As they came. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

export interface SigningKeys {
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** @returns the Authorization header that botocore gives to each */
export async function authorizationsOf(requests: readonly SignedRequest[], keys: SigningKeys): Promise<string[]> {
  const cases = requests.map(({ method, url, headers, body }) => {
    const byName = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
    const signedNames = /SignedHeaders=([^,]+)/.exec(byName.get('authorization') ?? '')?.[1]?.split(';') ?? [];
    return {
      method,
      url,
      bodyHex: body.toString('hex'),
      // botocore signs what it is given, and these names are what the proxy says that it signed.
      headers: headers.filter(([name]) => signedNames.includes(name.toLowerCase())),
      timestamp: byName.get('x-amz-date'),
      ...keys,
    };
  });
  const { stdout, stderr, status } = await run(PYTHON ?? '', [SCRIPT], { input: JSON.stringify({ cases }) });
  if (status !== 0) throw new Error(`botocore: ${stderr}`);
  return stdout.trim().split('\n');
}
