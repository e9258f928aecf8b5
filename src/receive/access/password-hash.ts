/** Password hashes as they stand in a password file: bcrypt and scrypt. Checking one takes long, on purpose. */
import { scryptSync, timingSafeEqual } from 'node:crypto';
import { compareSync } from 'bcryptjs';

/** The form that `htpasswd -B` writes. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** bcrypt ignores the bytes of a password behind these. */
const BCRYPT_MAX_BYTES = 72;
/** The PHC form, as passlib and others write it: log2 N, r, p, salt, hash (base64 without padding). */
const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)$/;
/** A hash needs 128 x N x r bytes; a file with a hash that needs more than this is wrong. */
const SCRYPT_MAX_BYTES = 256 * 1024 * 1024;

const LEAST_HASH_BYTES = 16;

/** Returns true if the hash is whole, and its cost is one that a busy process can pay. */
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

/** Blocks its thread until it is done. @param hash in a form that isPasswordHash accepts */
export function matchesSync(password: string, hash: string): boolean {
  const parts = SCRYPT.exec(hash);
  // A password longer than bcrypt reads would match every password with the same beginning.
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
