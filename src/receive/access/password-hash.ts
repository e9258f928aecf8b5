/** Password hashes as they stand in a password file: bcrypt and scrypt. Checking one takes long, on purpose. */
import { scryptSync, timingSafeEqual } from 'node:crypto';
import { compareSync } from 'bcryptjs';

/** As `htpasswd -B` writes it. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** bcrypt reads no more of a password. */
const BCRYPT_MAX_BYTES = 72;
/** The PHC form, as passlib and others write it: log2 N, r, p, salt, hash (base64 without padding). */
const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)$/;
/** 128 x N x r bytes are needed; of a hash that asks for more than this, the file is wrong. */
const SCRYPT_MAX_BYTES = 256 * 1024 * 1024;

const LEAST_HASH_BYTES = 16;

/** Whole, and of a cost that a process which has other work can pay. */
export function isPasswordHash(text: string): boolean {
  const cost = Number(BCRYPT.exec(text)?.[1] ?? 0);
  if (cost >= 4 && cost <= 12) return true;
  const [, ln, r, p, , hash = ''] = SCRYPT.exec(text) ?? [];
  const bytes = 128 * 2 ** Number(ln) * Number(r);
  return (
    Number(ln) >= 1 &&
    bytes > 0 &&
    bytes < SCRYPT_MAX_BYTES &&
    Number(p) >= 1 &&
    fromPhc(hash).length >= LEAST_HASH_BYTES
  );
}

/** Blocks its thread for as long as it takes. @param hash of a form that isPasswordHash takes */
export function matchesSync(password: string, hash: string): boolean {
  const parts = SCRYPT.exec(hash);
  // What is longer than bcrypt reads would pass for all that begins alike.
  if (parts === null) return compareSync(password, hash) && Buffer.byteLength(password) <= BCRYPT_MAX_BYTES;
  const [, ln = '', r = '', p = '', salt = '', expected = ''] = parts;
  const wanted = fromPhc(expected);
  const options = { N: 2 ** Number(ln), r: Number(r), p: Number(p), maxmem: 2 * SCRYPT_MAX_BYTES };
  return timingSafeEqual(scryptSync(password, fromPhc(salt), wanted.length, options), wanted);
}

/** passlib writes `.` where base64 has `+`. */
function fromPhc(text: string): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64');
}
