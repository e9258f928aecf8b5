/**
 * The errors of bootstrap in words: cause, value, remedy; and the IAM action if one is missing.
 *
 * UsageError ends with exit status 2, every other error with 1. AwsCallError wraps what an AWS client throws and knows
 * which IAM action the call needs (clients.ts puts it there). Nothing here ever holds a key or a token: the SDK's
 * messages name principals, actions and resources only.
 */

/** A wrong command line or file: nothing has been asked of AWS. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The account, or an answer of AWS, prevents the work. `remedy` says what to do. */
export class BootstrapError extends Error {
  override readonly name = 'BootstrapError';
  readonly code: string;
  readonly remedy: string;

  constructor(code: string, message: string, remedy: string) {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
}

/** An AWS API call that failed for good. */
export class AwsCallError extends Error {
  override readonly name = 'AwsCallError';
  /** AWS's name of the error: `AccessDenied`, `NoSuchEntity`, ... without the suffix `Exception`. */
  readonly code: string;
  /** The IAM action the call needs, `iam:CreateRole`. */
  readonly action: string;

  constructor(code: string, action: string, message: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
    this.action = action;
  }
}

/** Returns true if `error` is a refusal of AWS with one of these codes. */
export function isAwsCode(error: unknown, ...codes: readonly string[]): error is AwsCallError {
  return error instanceof AwsCallError && codes.includes(error.code);
}

/** Codes by which services say that a permission is missing. */
const DENIED_CODES = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'UnauthorizedOperation',
  'Forbidden',
  'NotAuthorized',
]);

const CREDENTIALS_CODES = new Set(['CredentialsProviderError', 'TokenProviderError']);

const KEY_CODES = new Set([
  'InvalidClientTokenId',
  'UnrecognizedClient',
  'ExpiredToken',
  'SignatureDoesNotMatch',
  'InvalidSignature',
]);

const THROTTLING_CODES = new Set([
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'RequestLimitExceeded',
  'SlowDown',
]);

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'TimeoutError',
  'EPIPE',
]);

/** Ways to credentials, for people: https://docs.aws.amazon.com/cli/latest/userguide/cli-chap-authentication.html */
export const HOW_TO_GET_CREDENTIALS =
  'Get some with one of: `aws sso login` and AWS_PROFILE=NAME; `aws configure`; AWS_ACCESS_KEY_ID and ' +
  'AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN with temporary ones) in the environment; or run this where a role is ' +
  'attached (EC2 instance, EKS pod, CloudShell). `aws sts get-caller-identity` shows who you are.';

export interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  /** The IAM action that is missing. */
  readonly action?: string;
}

/** Any error -> what to print. */
export function explain(error: unknown): Explanation {
  if (error instanceof UsageError) return { code: 'USAGE', message: error.message, remedy: '' };
  if (error instanceof BootstrapError) return { code: error.code, message: error.message, remedy: error.remedy };
  if (error instanceof AwsCallError) return explainAwsCall(error);
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'FAILED', message, remedy: '' };
}

function explainAwsCall(error: AwsCallError): Explanation {
  const { code, message } = error;
  if (DENIED_CODES.has(code)) {
    // The message names the action that was evaluated; it can differ from the call's own, iam:PassRole above all.
    const action = /not authorized to perform: ([a-zA-Z0-9-]+:[a-zA-Z]+)/u.exec(message)?.[1] ?? error.action;
    return {
      code: 'ACCESS_DENIED',
      message: `the IAM action ${action} is missing: ${message}`,
      remedy: `Let an administrator allow ${action} to whoever you are (\`aws sts get-caller-identity\`), then run the same command again: what is done already is kept.`,
      action,
    };
  }
  if (CREDENTIALS_CODES.has(code)) {
    return { code: 'NO_CREDENTIALS', message: `no AWS credentials: ${message}`, remedy: HOW_TO_GET_CREDENTIALS };
  }
  if (KEY_CODES.has(code)) {
    const cause = code === 'ExpiredToken' ? 'the AWS credentials have expired' : 'AWS refuses the credentials';
    return { code: 'BAD_CREDENTIALS', message: `${cause}: ${message}`, remedy: HOW_TO_GET_CREDENTIALS };
  }
  if (THROTTLING_CODES.has(code)) {
    const remedy = 'Wait a minute and run the same command again: what is done already is kept.';
    return { code: 'THROTTLED', message: `${error.action} is throttled, after several tries: ${message}`, remedy };
  }
  if (NETWORK_CODES.has(code)) {
    const remedy =
      'Check the network, the region and AWS_ENDPOINT_URL, then run the same command again: what is done already is kept.';
    return { code: 'NETWORK', message: `${error.action} got no answer: ${message || code}`, remedy };
  }
  return { code, message: `${error.action} failed: ${code}: ${message}`, remedy: '' };
}
