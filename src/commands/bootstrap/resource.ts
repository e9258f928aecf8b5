/**
 * The contract that every resource keeps, so that plan, apply, status and destroy are loops and nothing more.
 *
 *     inspect -> Finding -> apply | destroy
 *
 * - `inspect` only reads. It may fill in Facts that later resources need (the workspace's ARN above all), so resources
 *   are inspected in the order in which they are made.
 * - `apply` starts from what `inspect` has just found and may be interrupted between any two calls: every step is
 *   either atomic with its tag, or seen as a difference by the next `inspect`.
 * - `destroy` removes only what bears our tag, can be repeated, and says why it left what it left.
 */
import type { Place } from './arn.ts';

/** What is known so far of this account; resources fill it in as they go. */
export interface Facts {
  readonly place: Place;
  workspaceId: string | undefined;
  workspaceArn: string | undefined;
  /** With a slash at its end. */
  prometheusEndpoint: string | undefined;
  /** Without https://. */
  oidcIssuer: string | undefined;
  roleArn: string | undefined;
  policyArn: string | undefined;
  grafanaRoleArn: string | undefined;
  grafanaWorkspaceId: string | undefined;
  /** With its scheme, without a slash at its end. */
  grafanaUrl: string | undefined;
}

export function newFacts(place: Place): Facts {
  return {
    place,
    workspaceId: undefined,
    workspaceArn: undefined,
    prometheusEndpoint: undefined,
    oidcIssuer: undefined,
    roleArn: undefined,
    policyArn: undefined,
    grafanaRoleArn: undefined,
    grafanaWorkspaceId: undefined,
    grafanaUrl: undefined,
  };
}

export type State =
  /** Not there: apply creates it. */
  | 'absent'
  /** There, and as it should be. */
  | 'as wanted'
  /** There, but different: apply changes it. */
  | 'differs'
  /** Something stands in the way: apply refuses. `problems` says what. */
  | 'blocked';

export interface Finding {
  readonly state: State;
  /** Bears our tag. Of an absent one: would be made by us. */
  readonly isOurs: boolean;
  readonly arn: string | undefined;
  /** Lines with `+ ` and `- `: what apply would change. */
  readonly diff: readonly string[];
  /** What is wrong and how to help it. A blocked finding has at least one. */
  readonly problems: readonly string[];
  /** What else status shows, one line each. */
  readonly notes: readonly string[];
}

export type Removal =
  | { readonly kind: 'removed' }
  | { readonly kind: 'absent' }
  /** Still there, and why. */
  | { readonly kind: 'left'; readonly reason: string };

export interface Resource {
  /** For people, in few words: `workspace`, `role`. */
  readonly kind: string;
  readonly name: string;
  inspect(): Promise<Finding>;
  /** Makes it so. Only called with a finding that is absent or differs. */
  apply(finding: Finding): Promise<void>;
  destroy(finding: Finding): Promise<Removal>;
}

export function absent(diff: readonly string[] = [], notes: readonly string[] = []): Finding {
  return { state: 'absent', isOurs: true, arn: undefined, diff, problems: [], notes };
}

export function blocked(problem: string, arn?: string): Finding {
  return { state: 'blocked', isOurs: false, arn, diff: [], problems: [problem], notes: [] };
}

/** What is there: as wanted when there is nothing to change. */
export function present(
  arn: string | undefined,
  isOurs: boolean,
  diff: readonly string[],
  rest: { readonly problems?: readonly string[]; readonly notes?: readonly string[] } = {},
): Finding {
  const state = diff.length === 0 ? 'as wanted' : 'differs';
  return { state, isOurs, arn, diff, problems: rest.problems ?? [], notes: rest.notes ?? [] };
}

/** Why something of this name is not touched. */
export const NOT_OURS = 'it does not bear our tag: others made it';
