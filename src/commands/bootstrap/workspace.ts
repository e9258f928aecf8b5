/**
 * The AMP workspace: found by its alias, or created and waited for.
 *
 * An alias is not unique in AMP, so two workspaces of one alias are an error that lists both. A workspace that others
 * made is used as it is and never removed; ours is removed only with --delete-data.
 * https://docs.aws.amazon.com/prometheus/latest/APIReference/API_CreateWorkspace.html
 */
import type { AmpClient, WorkspaceSummary } from '@aws-sdk/client-amp';
import {
  CreateWorkspaceCommand,
  DeleteWorkspaceCommand,
  DescribeWorkspaceCommand,
  paginateListWorkspaces,
  TagResourceCommand,
} from '@aws-sdk/client-amp';

import { workspaceArn } from './arn.ts';
import { BootstrapError, isAwsCode } from './errors.ts';
import { missingTags, ownershipOf, ownerTags, tagDiff, type Tags } from './ownership.ts';
import type { Facts, Finding, Removal, Resource } from './resource.ts';
import { absent, NOT_OURS, present } from './resource.ts';
import type { Waiting } from './wait.ts';
import { waitForStatus } from './wait.ts';

const ACTIVE_TIMEOUT_MS = 10 * 60_000;

export interface WorkspaceOptions {
  readonly alias: string;
  readonly tags: Tags;
  readonly deleteData: boolean;
}

export class WorkspaceResource implements Resource {
  readonly kind = 'workspace';
  readonly name: string;
  readonly #amp: AmpClient;
  readonly #options: WorkspaceOptions;
  readonly #facts: Facts;
  readonly #waiting: Waiting;

  constructor(amp: AmpClient, options: WorkspaceOptions, facts: Facts, waiting: Waiting) {
    this.name = options.alias;
    this.#amp = amp;
    this.#options = options;
    this.#facts = facts;
    this.#waiting = waiting;
  }

  /** @throws BootstrapError when two workspaces have this alias */
  async inspect(): Promise<Finding> {
    const { alias, tags } = this.#options;
    const found = await this.#findAll();
    const [summary, ...others] = found;
    if (summary?.workspaceId === undefined) return absent();
    if (others.length > 0) throw severalOfOneAlias(alias, found);

    const arn = summary.arn ?? workspaceArn(this.#facts.place, summary.workspaceId);
    const status = summary.status?.statusCode ?? 'UNKNOWN';
    this.#facts.workspaceId = summary.workspaceId;
    this.#facts.workspaceArn = arn;
    const isOurs = ownershipOf(summary.tags, alias).kind === 'ours';
    if (status === 'CREATION_FAILED') {
      const problem =
        `${summary.workspaceId} is CREATION_FAILED; delete it and apply again: ` +
        `aws amp delete-workspace --workspace-id ${summary.workspaceId}`;
      return { state: 'blocked', isOurs, arn, diff: [], problems: [problem], notes: [] };
    }
    await this.#readEndpoint(summary.workspaceId);
    const notes = [`id ${summary.workspaceId}, ${status}`];
    const diff = isOurs ? tagDiff(missingTags(ownerTags(alias, tags), summary.tags), summary.tags) : [];
    if (status === 'CREATING') diff.push('+ status ACTIVE (it is being created)');
    return present(arn, isOurs, diff, { notes });
  }

  async apply(finding: Finding): Promise<void> {
    const { alias, tags } = this.#options;
    const wanted = ownerTags(alias, tags);
    if (finding.state === 'absent') {
      const made = await this.#amp.send(new CreateWorkspaceCommand({ alias, tags: wanted }));
      this.#facts.workspaceId = made.workspaceId;
      this.#facts.workspaceArn = made.arn;
    } else if (finding.isOurs && finding.arn !== undefined) {
      await this.#amp.send(new TagResourceCommand({ resourceArn: finding.arn, tags: wanted }));
    }
    const workspaceId = this.#facts.workspaceId ?? '';
    const read = (): Promise<string | undefined> => this.#readEndpoint(workspaceId);
    const what = `workspace ${workspaceId}`;
    await waitForStatus({ what, wanted: 'ACTIVE', read, timeoutMs: ACTIVE_TIMEOUT_MS }, this.#waiting);
  }

  async destroy(finding: Finding): Promise<Removal> {
    const { workspaceId } = this.#facts;
    if (workspaceId === undefined) return { kind: 'absent' };
    if (!finding.isOurs) return { kind: 'left', reason: NOT_OURS };
    if (!this.#options.deleteData) {
      return { kind: 'left', reason: 'it holds data; --delete-data removes it with all its data' };
    }
    await this.#amp.send(new DeleteWorkspaceCommand({ workspaceId }));
    const read = (): Promise<string | undefined> => this.#readEndpoint(workspaceId);
    const what = `workspace ${workspaceId}`;
    await waitForStatus({ what, wanted: 'DELETED', read, timeoutMs: ACTIVE_TIMEOUT_MS }, this.#waiting);
    return { kind: 'removed' };
  }

  /** AMP filters by the beginning of the alias; workspaces that are being deleted do not count. */
  async #findAll(): Promise<WorkspaceSummary[]> {
    const { alias } = this.#options;
    const found: WorkspaceSummary[] = [];
    for await (const page of paginateListWorkspaces({ client: this.#amp }, { alias })) {
      found.push(...(page.workspaces ?? []));
    }
    return found.filter((item) => item.alias === alias && item.status?.statusCode !== 'DELETING');
  }

  /** @returns the status; undefined when there is no such workspace */
  async #readEndpoint(workspaceId: string): Promise<string | undefined> {
    try {
      const { workspace } = await this.#amp.send(new DescribeWorkspaceCommand({ workspaceId }));
      this.#facts.prometheusEndpoint = workspace?.prometheusEndpoint ?? this.#facts.prometheusEndpoint;
      return workspace?.status?.statusCode;
    } catch (error) {
      if (isAwsCode(error, 'ResourceNotFound')) return undefined;
      throw error;
    }
  }
}

function severalOfOneAlias(alias: string, found: readonly WorkspaceSummary[]): BootstrapError {
  const list = found.map(({ workspaceId, status, createdAt, tags }) => {
    const owner = ownershipOf(tags, alias).kind === 'ours' ? 'ours' : 'made by others';
    const created = createdAt?.toISOString().slice(0, 16) ?? 'unknown time';
    return `\n  ${workspaceId} (${status?.statusCode}, created ${created}, ${owner})`;
  });
  return new BootstrapError(
    'SEVERAL_WORKSPACES',
    `${found.length} workspaces have the alias ${alias}:${list.join('')}`,
    'Give one of them another alias (aws amp update-workspace-alias --workspace-id ID --alias NEW), delete it, or choose another --workspace-alias.',
  );
}
