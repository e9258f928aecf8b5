/**
 * The answer of AMP to one signed, empty write -> what it means. Pure.
 *
 * AMP answers an empty write whose signature is right and allowed with 2xx and an empty body. Nothing else is a proof:
 * many a server answers any request with 200 or 400. 403 has many causes, told apart by AWS's words.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
 */
import { responseCode } from '../../outcome/classify.ts';
import { explain } from '../../outcome/explain.ts';
import { redact } from '../../outcome/redact.ts';
import { shownWords, titleOf } from '../../outcome/upstream-text.ts';
import type { CheckResult } from './check.ts';
import { failed, ok, warning } from './check.ts';

export interface AnswerContext {
  readonly url: string;
  readonly region: string;
  /** The time by which AMP's clock is ahead of ours; undefined if the answer had no date. */
  readonly skewMs: number | undefined;
  /** From the first byte of the write to the last of the answer, connecting included, ms. */
  readonly tookMs?: number | undefined;
  /** The `x-amzn-ErrorType` header of the answer. */
  readonly errorType?: string | undefined;
}

const NAME = 'write';

/** AWS rejects a signature that is older or newer. */
const MAX_SKEW_MS = 5 * 60_000;
const NOTICEABLE_SKEW_MS = 60_000;

export function explainAnswer(status: number, message: string, context: AnswerContext): CheckResult {
  const special = explainSpecial(status, message, context);
  if (special !== undefined) return special;
  const said = quote(message);
  if (status >= 200 && status < 300 && message === '') {
    return ok(NAME, `AMP took a signed, empty write (${status})${duration(context)}`);
  }
  if (status >= 200 && status < 300) {
    return failed(
      NAME,
      `${status} with a text (${quote(message).slice(2)}), and AMP answers a write with none: something else is there`,
      explain(`foreign_${status}`).remedy,
    );
  }
  if (status === 400) {
    return warning(
      NAME,
      `400 is not AMP's known answer to an empty write, so it proves neither signature nor permission (400${said})`,
      'Is it AMP that answers? amp-write-proxy probe proves delivery with one sample.',
    );
  }
  if (status === 403 || status === 401) return explainRefusal(status, message, context);
  if (status === 404) {
    return failed(
      NAME,
      `there is no such workspace or path (404${said})`,
      `Check the id of the workspace, that it is in ${context.region} (aws amp list-workspaces --region ${context.region}), and the path: /workspaces/ID/api/v1/remote_write without a slash at its end.`,
    );
  }
  if (status >= 300 && status < 400) {
    return failed(NAME, `redirected (${status})`, 'Redirects are never followed: write the url where it leads to.');
  }
  if (status === 429) {
    return warning(
      NAME,
      `signed and allowed, but throttled (429${said})`,
      'Ask for a higher quota of the workspace (Service Quotas).',
    );
  }
  const remedy =
    status >= 500 ? 'A fault on the other side: try again, see https://health.aws.amazon.com.' : 'Is this AMP?';
  return failed(NAME, `unexpected answer (${status}${said})`, remedy);
}

/** Explains answers whose status alone would mislead; undefined for all others. */
function explainSpecial(status: number, message: string, context: AnswerContext): CheckResult | undefined {
  const { errorType } = context;
  const code = responseCode({ kind: 'answered', status, message, retryAfter: undefined, date: undefined, errorType });
  if (code.startsWith('foreign_')) {
    const words = `something else than AMP answers, with a web page (${status}${quote(titleOf(message))})`;
    return failed(NAME, words, explain(code).remedy);
  }
  if (code.startsWith('throttled_')) {
    return warning(NAME, `throttled before it was looked at (${status}${quote(message)})`, explain(code).remedy);
  }
  if (code.startsWith('unauthorized_')) return explainRefusal(status, message, context);
  if (code.startsWith('quota_')) {
    return warning(
      NAME,
      `signed and allowed, but a quota of series is used up (${status}${quote(message)})`,
      explain(code).remedy,
    );
  }
  return undefined;
}

function duration({ tookMs }: AnswerContext): string {
  return tookMs === undefined ? '' : ` in ${tookMs} ms`;
}

export function explainClock({ skewMs }: AnswerContext): CheckResult {
  if (skewMs === undefined) return warning('clock', 'the answer carried no date', 'Is something between us and AMP?');
  const seconds = Math.round(skewMs / 1000);
  // The date has whole seconds, and the answer took time to arrive.
  const words =
    Math.abs(seconds) < 3 ? "agrees with AMP's" : `${Math.abs(seconds)} s ${seconds < 0 ? 'ahead of' : 'behind'} AMP's`;
  const remedy = 'Run chrony or systemd-timesyncd on the node (on EC2 against 169.254.169.123).';
  if (Math.abs(skewMs) >= MAX_SKEW_MS) return failed('clock', words, remedy);
  return Math.abs(skewMs) >= NOTICEABLE_SKEW_MS ? warning('clock', words, remedy) : ok('clock', words);
}

interface Cause {
  readonly pattern: RegExp;
  readonly message: string;
  readonly remedy: string;
}

function causesOf({ region, url }: AnswerContext): readonly Cause[] {
  const workspace = /\/workspaces\/([^/]+)/u.exec(url)?.[1] ?? 'WORKSPACE';
  return [
    {
      pattern: /explicit deny/iu,
      message: 'a policy denies aps:RemoteWrite explicitly',
      remedy:
        'Look at service control policies, the permissions boundary of the role, and the policy of the VPC endpoint.',
    },
    {
      pattern: /VPC endpoint policy/iu,
      message: 'the policy of the VPC endpoint does not allow it',
      remedy: 'Allow aps:RemoteWrite in the policy of the VPC endpoint of aps-workspaces.',
    },
    {
      pattern: /not authorized to perform/iu,
      message: 'the role may not aps:RemoteWrite to this workspace',
      remedy: `Allow aps:RemoteWrite on arn:aws:aps:${region}:ACCOUNT:workspace/${workspace}: amp-write-proxy bootstrap apply does. In another account, set sigv4.role_arn to a role there.`,
    },
    {
      pattern: /token.*expired|ExpiredToken/iu,
      message: 'the credentials have expired',
      remedy: 'Get new ones; in a pod, see why they are not refreshed (above).',
    },
    {
      pattern: /signature expired|not yet current|SignatureExpired|RequestExpired|RequestTimeTooSkewed/iu,
      message: "this machine's clock is wrong",
      remedy: 'Run chrony or systemd-timesyncd on the node (on EC2 against 169.254.169.123).',
    },
    {
      pattern: /scoped to a valid region|scoped to correct service/iu,
      message: `it is signed for the wrong region (${region})`,
      remedy: 'Set sigv4.region to the region of the workspace, which stands in its url.',
    },
    {
      pattern: /security token.*invalid|UnrecognizedClient|InvalidClientTokenId/iu,
      message: 'AWS does not know these credentials',
      remedy:
        'They are mistyped, deleted, or of another partition; in an opt-in region, of the global STS instead of the regional one.',
    },
    {
      pattern: /signature.*does not match|InvalidSignature/iu,
      message: 'the signature does not match',
      remedy:
        'The secret key is wrong, or something on the way changes the request (a proxy that rewrites Host, path or headers).',
    },
    {
      pattern: /missing ?authentication ?token/iu,
      message: 'the signature did not arrive',
      remedy: 'Something on the way takes the Authorization header out, or the path is not one of AMP.',
    },
  ];
}

function explainRefusal(status: number, message: string, context: AnswerContext): CheckResult {
  const said = `${context.errorType ?? ''} ${message}`;
  const cause = causesOf(context).find(({ pattern }) => pattern.test(said));
  if (cause === undefined) {
    return failed(
      NAME,
      `refused (${status}${quote(message)})`,
      'Compare role and policy: amp-write-proxy bootstrap status.',
    );
  }
  return failed(NAME, `refused: ${cause.message} (${status}${quote(message)})`, cause.remedy);
}

/** A refusal names the role, the action and the workspace. */
const LONGEST_QUOTE = 400;

function quote(message: string): string {
  const words = redact(shownWords(message), LONGEST_QUOTE);
  return words === '' ? '' : `: ${words}`;
}
