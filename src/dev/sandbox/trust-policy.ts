/**
 * Decides whether a trust policy lets the bearer of a web identity token assume the role, by a small subset of IAM's
 * rules: an explicit Deny wins, every condition has to hold, every key of a condition has to be in the token.
 *
 * Understood: Principal.Federated, sts:AssumeRoleWithWebIdentity, and the operators StringEquals and StringLike on
 * `ISSUER:sub` and `ISSUER:aud`. A statement with anything else never allows.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */
import { isJsonObject } from './json-object.ts';

export interface WebIdentity {
  /** With https://. */
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
}

/** @param policy as IAM holds it, parsed */
export function isTrusted(policy: unknown, accountId: string, identity: WebIdentity): boolean {
  const statements = listOf(isJsonObject(policy) ? policy['Statement'] : undefined).filter((item) =>
    isJsonObject(item),
  );
  const applying = statements.filter(
    (statement) =>
      listOf(statement['Action']).some((action) => matches(String(action), 'sts:AssumeRoleWithWebIdentity')) &&
      hasPrincipal(statement['Principal'], accountId, identity.issuer) &&
      conditionsHold(statement['Condition'], identity),
  );
  const has = (effect: string): boolean => applying.some((statement) => statement['Effect'] === effect);
  return has('Allow') && !has('Deny');
}

function hasPrincipal(principal: unknown, accountId: string, issuer: string): boolean {
  const wanted = `:iam::${accountId}:oidc-provider/${hostPath(issuer)}`;
  const federated = isJsonObject(principal) ? listOf(principal['Federated']) : [];
  return federated.some((arn) => typeof arn === 'string' && arn.startsWith('arn:aws') && arn.endsWith(wanted));
}

function conditionsHold(condition: unknown, identity: WebIdentity): boolean {
  if (condition === undefined) return true;
  if (!isJsonObject(condition)) return false;
  const name = hostPath(identity.issuer);
  const values = new Map([
    [`${name}:sub`, identity.subject],
    [`${name}:aud`, identity.audience],
  ]);
  return Object.entries(condition).every(([operator, tests]) => {
    if (!isJsonObject(tests)) return false;
    return Object.entries(tests).every(([key, allowed]) => {
      const value = values.get(key);
      if (value === undefined) return false;
      const options = listOf(allowed).map(String);
      if (operator === 'StringEquals') return options.includes(value);
      return operator === 'StringLike' && options.some((option) => matches(option, value));
    });
  });
}

function hostPath(issuer: string): string {
  return issuer.replace(/^https:\/\//u, '').replace(/\/+$/u, '');
}

/** With * and ?. */
function matches(pattern: string, value: string): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/gu, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'u').test(value);
}

function listOf(value: unknown): unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
