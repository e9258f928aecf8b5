/**
 * Tells errors of AWS's front end from AMP's verdicts on data. AWS answers some of them with 400.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
 */
import type { UpstreamText } from './upstream-text.ts';

/** `throttling`: too many requests; `authentication`: the signature, the identity or its permissions. */
export type AwsError = 'throttling' | 'authentication';

/** The throttling codes of AWS's SDKs: smithy-lang/smithy-typescript, packages/service-error-classification. */
const THROTTLING =
  /^(?:Throttling|Throttled|RequestThrottled|TooManyRequests|RequestLimitExceeded|SlowDown|BandwidthLimitExceeded|LimitExceeded)(?:Exception)?$/;

const AUTHENTICATION =
  /^(?:RequestExpired|RequestInTheFuture|RequestTimeTooSkewed|SignatureExpired|ExpiredToken(?:Id)?|IncompleteSignature|InvalidSignature|SignatureDoesNotMatch|UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|InvalidToken|MissingAuthenticationToken|AccessDenied|AuthFailure|NotAuthorized|OptInRequired|Unauthorized(?:Operation)?)(?:Exception)?$/;

/**
 * The beginnings of AWS's sentences that come without a type. No sentence about data begins like one of them.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
 */
const SENTENCES: readonly (readonly [beginning: RegExp, error: AwsError])[] = [
  // https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-troubleshooting.html
  [/^Rate exceeded\.?$/i, 'throttling'],
  [/^Too many requests\.?$/i, 'throttling'],
  [/^The security token included in the request is (?:expired|invalid)/i, 'authentication'],
  [/^Signature (?:expired|not yet current): /i, 'authentication'],
  [/^The request signature we calculated does not match/i, 'authentication'],
  [/^Missing Authentication Token\.?$/i, 'authentication'],
  [/^Credential should be scoped to /i, 'authentication'],
  [/^Authorization header requires /i, 'authentication'],
  [/^User: arn:\S+ is not authorized to perform: /i, 'authentication'],
];

/** Returns undefined for everything that is not clearly an AWS error of one of these kinds. */
export function awsErrorOf({ errorType, said }: UpstreamText): AwsError | undefined {
  if (errorType !== undefined) {
    if (THROTTLING.test(errorType)) return 'throttling';
    if (AUTHENTICATION.test(errorType)) return 'authentication';
  }
  const sentence = said.trim();
  return SENTENCES.find(([beginning]) => beginning.test(sentence))?.[1];
}
