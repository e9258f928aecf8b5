/**
 * The key that a day's signatures are made with. It stands in for the secret: whoever has it can sign for that day,
 * region and service, so it is a KeyObject, whose bytes no log, JSON or inspection shows.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#calculate-signature
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** @param day as YYYYMMDD, UTC */
export function deriveSigningKey(secretAccessKey: string, day: string, region: string, service: string): KeyObject {
  const ofDay = hmac(`AWS4${secretAccessKey}`, day);
  const ofRegion = hmac(ofDay, region);
  const ofService = hmac(ofRegion, service);
  return createSecretKey(hmac(ofService, 'aws4_request'));
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
