/** Rules on who signs the requests of an entry: its keys, its profile, its role. */
import type { Findings, KeyPath, Problem } from './problem.ts';
import type { RuleContext } from './rule-context.ts';
import type { ParsedRemoteWrite } from './schema.ts';

const ROLE_ARN = /^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/;
/** https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
const SESSION_NAME = /^[\w+=,.@-]{2,64}$/;
const REGION = /^[a-z0-9-]+$/;
const MOST_TAGS = 50;

export function identityRules(
  sigv4: ParsedRemoteWrite['sigv4'],
  path: KeyPath,
  context: RuleContext,
  { problems }: Findings,
): void {
  const hasAccessKey = sigv4.access_key !== undefined;
  if (hasAccessKey !== (sigv4.secret_key !== undefined)) {
    const [given, absent] = hasAccessKey ? ['access_key', 'secret_key'] : ['secret_key', 'access_key'];
    problems.push({
      path: [...path, given],
      message: `is given without ${absent}; give both, or neither for the default chain of AWS`,
    });
  }
  if (hasAccessKey && sigv4.profile !== undefined) {
    problems.push({
      path: [...path, 'access_key'],
      message: `is given together with profile "${sigv4.profile}", and each is an identity; keep one of them`,
    });
  }
  if (sigv4.external_id !== undefined && sigv4.role_arn === undefined) {
    problems.push({
      path: [...path, 'external_id'],
      message: 'is given without role_arn, and is only used to assume a role; give role_arn, or remove it',
    });
  }
  for (const key of ['session_name', 'tags'] as const) {
    if (sigv4[key] !== undefined && sigv4.role_arn === undefined) {
      problems.push({
        path: [...path, key],
        message: 'is given without role_arn, and only a role that is assumed has one; give role_arn, or remove it',
      });
    }
  }
  if (sigv4.session_name !== undefined && !SESSION_NAME.test(sigv4.session_name)) {
    problems.push({
      path: [...path, 'session_name'],
      message: 'is not the name of a session; write 2 to 64 letters, digits and any of _+=,.@-',
      showValue: true,
    });
  }
  tagRules(sigv4.tags ?? {}, [...path, 'tags'], problems);
  if (sigv4.sts_region !== undefined && !REGION.test(sigv4.sts_region)) {
    problems.push({
      path: [...path, 'sts_region'],
      message: 'is not a region; write it as in us-west-2',
      showValue: true,
    });
  }
  for (const key of ['access_key', 'secret_key', 'role_arn', 'external_id'] as const) {
    if (/\s/.test(sigv4[key] ?? '')) {
      problems.push({ path: [...path, key], message: 'holds white space, which no such value has; remove it' });
    }
  }
  if (sigv4.role_arn === undefined) return;
  if (!ROLE_ARN.test(sigv4.role_arn)) {
    problems.push({
      path: [...path, 'role_arn'],
      message: 'is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME, with the 12 digits of the account',
      showValue: true,
    });
  } else if (sigv4.role_arn === context.env['AWS_ROLE_ARN'] && !hasAccessKey && sigv4.profile === undefined) {
    problems.push({
      path: [...path, 'role_arn'],
      message: `${sigv4.role_arn} is the role that AWS_ROLE_ARN gives already, and a role need not assume itself; remove it`,
    });
  }
}

/** https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html */
function tagRules(tags: Readonly<Record<string, string>>, path: KeyPath, problems: Problem[]): void {
  if (Object.keys(tags).length > MOST_TAGS) {
    problems.push({
      path,
      message: `has ${Object.keys(tags).length} tags, and a session may have ${MOST_TAGS}; remove some`,
    });
  }
  for (const [key, value] of Object.entries(tags)) {
    if (key.length > 128)
      problems.push({ path: [...path, key], message: 'is longer than the 128 characters of a tag key; shorten it' });
    if (value.length > 256) {
      problems.push({ path: [...path, key], message: 'is longer than the 256 characters of a tag value; shorten it' });
    }
  }
}
