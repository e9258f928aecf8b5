/**
 * IAM policy documents: read, compared in a normal form, merged, shown.
 *
 * IAM stores a document as it was given, so that two that mean the same can differ in the order of keys and actions,
 * or in "x" against ["x"]. The normal form takes these differences away.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 */
import { z } from 'zod';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** One statement; its content is compared, not interpreted. */
export type Statement = Readonly<Record<string, Json>>;

export interface PolicyDocument {
  readonly Version: string;
  readonly Statement: readonly Statement[];
}

export const POLICY_VERSION = '2012-10-17';

const jsonSchema: z.ZodType<Json> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(jsonSchema), z.record(z.string(), jsonSchema)]),
);

const statementSchema = z.record(z.string(), jsonSchema);

const documentSchema = z.object({
  Version: z.string().default('2008-10-17'),
  Statement: z.union([z.array(statementSchema), statementSchema.transform((statement) => [statement])]),
});

/** @param text as IAM gives it, URL-encoded or plain; undefined when it is not a policy document */
export function readPolicyDocument(text: string | undefined): PolicyDocument | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    const plain = text.trimStart().startsWith('{') ? text : decodeURIComponent(text);
    return documentSchema.safeParse(JSON.parse(plain)).data;
  } catch {
    return undefined;
  }
}

/** Shows the document in one normal form, readable by people. The same text means the same policy. */
export function showPolicyDocument(document: PolicyDocument | undefined): string {
  if (document === undefined) return '';
  const statements = document.Statement.map((statement) => normalise(statement)).toSorted(byText);
  return JSON.stringify({ Version: document.Version, Statement: statements }, null, 2);
}

export function isSamePolicy(a: PolicyDocument | undefined, b: PolicyDocument | undefined): boolean {
  return showPolicyDocument(a) === showPolicyDocument(b);
}

/** Merges our statements into a document of others: their statements stay, and ours replace one with the same Sid. */
export function withStatements(theirs: PolicyDocument, ours: PolicyDocument): PolicyDocument {
  const sids = new Set(ours.Statement.map(({ Sid }) => Sid));
  const kept = theirs.Statement.filter(({ Sid }) => Sid === undefined || !sids.has(Sid));
  const present = new Set(kept.map(bodyOf));
  const added = ours.Statement.filter((statement) => !present.has(bodyOf(statement)));
  if (added.length === 0) return { Version: theirs.Version, Statement: kept };
  return { Version: POLICY_VERSION, Statement: [...kept, ...added] };
}

/** A statement without its name. */
function bodyOf(statement: Statement): string {
  return JSON.stringify(normalise(Object.fromEntries(Object.entries(statement).filter(([key]) => key !== 'Sid'))));
}

function normalise(value: Json): Json {
  if (Array.isArray(value)) {
    const items = value.map((item: Json) => normalise(item)).toSorted(byText);
    const [only] = items;
    return items.length === 1 && only !== undefined ? only : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, normalise(item)]));
}

function byText(a: Json, b: Json): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
