/**
 * The loops over resources: inspect in order, apply in order, destroy in reverse.
 *
 * Applying inspects each resource again just before it is changed, so that the results of an earlier one (such as the
 * ARN of a new workspace) reach the plan of the later ones. An interrupted run leaves a prefix.
 */
import { BootstrapError } from './errors.ts';
import type { Finding, Removal, Resource } from './resource.ts';

export interface Step {
  readonly resource: Resource;
  readonly finding: Finding;
}

export interface AppliedStep extends Step {
  readonly outcome: 'created' | 'changed' | 'unchanged';
}

export interface DestroyedStep extends Step {
  readonly removal: Removal;
}

/** A resource that can be looked at more closely by apply, at a price that plan must not pay. */
interface DeepResource extends Resource {
  inspectDeeply(): Promise<Finding>;
}

export async function inspectAll(resources: readonly Resource[]): Promise<Step[]> {
  const steps: Step[] = [];
  for (const resource of resources) steps.push({ resource, finding: await resource.inspect() });
  return steps;
}

export function hasChanges(steps: readonly Step[]): boolean {
  return steps.some(({ finding }) => finding.state === 'absent' || finding.state === 'differs');
}

export function isBlocked(steps: readonly Step[]): boolean {
  return steps.some(({ finding }) => finding.state === 'blocked');
}

/** @throws BootstrapError at the first resource that is blocked */
export async function applyAll(
  resources: readonly Resource[],
  onStep: (step: AppliedStep) => void,
): Promise<AppliedStep[]> {
  const steps: AppliedStep[] = [];
  for (const resource of resources) {
    const finding = await (isDeep(resource) ? resource.inspectDeeply() : resource.inspect());
    if (finding.state === 'blocked') {
      throw new BootstrapError('BLOCKED', `${resource.kind} ${resource.name}: ${finding.problems.join('; ')}`, '');
    }
    const outcomes = { absent: 'created', differs: 'changed', 'as wanted': 'unchanged' } as const;
    if (finding.state !== 'as wanted') await resource.apply(finding);
    const step: AppliedStep = { resource, finding, outcome: outcomes[finding.state] };
    steps.push(step);
    onStep(step);
  }
  return steps;
}

/** @param found by inspectAll, in the order of making */
export async function destroyAll(
  found: readonly Step[],
  onStep: (step: DestroyedStep) => void,
): Promise<DestroyedStep[]> {
  const steps: DestroyedStep[] = [];
  for (const { resource, finding } of found.toReversed()) {
    const step = { resource, finding, removal: await removalOf(resource, finding) };
    steps.push(step);
    onStep(step);
  }
  return steps;
}

/** A resource of another installation is left without a further look. */
async function removalOf(resource: Resource, finding: Finding): Promise<Removal> {
  const [reason] = finding.problems;
  if (finding.state === 'blocked' && !finding.isOurs && reason !== undefined) return { kind: 'left', reason };
  return resource.destroy(finding);
}

function isDeep(resource: Resource): resource is DeepResource {
  return 'inspectDeeply' in resource;
}
