/**
 * The contract that every resource keeps, so that plan, apply, status and destroy are loops and nothing more.
 *
 *     inspect -> Finding -> apply | destroy
 *
 * - `inspect` only reads. It may fill in Facts that later resources need (the workspace's ARN above all), so resources
 *   are inspected in the order in which they are made.
 * - `apply` starts from what `inspect` has just found and may be interrupted between any two calls: every step is
 *   either atomic with its tag, or seen as a difference by the next `inspect`.
 * - `destroy` removes only what bears our tag, can be repeated, and gives the reason for whatever it leaves.
 */
import type { Place } from './arn.ts';

/** The facts known so far about this account; resources fill them in. */
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
  /** Blocked: apply refuses. `problems` says why. */
  | 'blocked';

export interface Finding {
  readonly state: State;
  /** True if it bears our tag. For an absent resource: true if we would make it. */
  readonly isOurs: boolean;
  readonly arn: string | undefined;
  /** Lines with `+ ` and `- `: the changes that apply would make. */
  readonly diff: readonly string[];
  /** The problems, each with its remedy. A blocked finding has at least one. */
  readonly problems: readonly string[];
  /** Other lines that status shows. */
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

/** Describes an existing resource: as wanted when there is nothing to change. */
export function present(
  arn: string | undefined,
  isOurs: boolean,
  diff: readonly string[],
  rest: { readonly problems?: readonly string[]; readonly notes?: readonly string[] } = {},
): Finding {
  const state = diff.length === 0 ? 'as wanted' : 'differs';
  return { state, isOurs, arn, diff, problems: rest.problems ?? [], notes: rest.notes ?? [] };
}

/** The reason why a resource of this name is not touched. */
export const NOT_OURS = 'it does not bear our tag: others made it';
