/**
 * The Amazon Managed Grafana workspace: AWS SSO, service managed, data source PROMETHEUS, notifications by SNS, and one
 * SSO user as ADMIN.
 *
 * Made through the API, a workspace needs a role that is made beside it, also when it is service managed.
 * https://docs.aws.amazon.com/grafana/latest/APIReference/API_CreateWorkspace.html
 */
import type { GrafanaClient, WorkspaceDescription, WorkspaceSummary } from '@aws-sdk/client-grafana';
import {
  CreateWorkspaceCommand,
  DeleteWorkspaceCommand,
  DescribeWorkspaceCommand,
  paginateListPermissions,
  paginateListWorkspaces,
  TagResourceCommand,
  UpdatePermissionsCommand,
  UpdateWorkspaceCommand,
} from '@aws-sdk/client-grafana';

import { grafanaWorkspaceArn } from './arn.ts';
import { BootstrapError, isAwsCode } from './errors.ts';
import { missingTags, ownershipOf, ownerTags, tagDiff, type Tags } from './ownership.ts';
import type { Facts, Finding, Removal, Resource } from './resource.ts';
import { absent, NOT_OURS, present } from './resource.ts';
import type { Waiting } from './wait.ts';
import { untilVisible, waitForStatus } from './wait.ts';

const ACTIVE_TIMEOUT_MS = 15 * 60_000;

export interface GrafanaWorkspaceOptions {
  readonly name: string;
  readonly alias: string;
  readonly tags: Tags;
  /** Id of the SSO user (IAM Identity Center) who becomes ADMIN. */
  readonly adminUserId: string | undefined;
}

export class GrafanaWorkspaceResource implements Resource {
  readonly kind = 'grafana';
  readonly name: string;
  readonly #grafana: GrafanaClient;
  readonly #options: GrafanaWorkspaceOptions;
  readonly #facts: Facts;
  readonly #waiting: Waiting;

  constructor(grafana: GrafanaClient, options: GrafanaWorkspaceOptions, facts: Facts, waiting: Waiting) {
    this.name = options.name;
    this.#grafana = grafana;
    this.#options = options;
    this.#facts = facts;
    this.#waiting = waiting;
  }

  /** @throws BootstrapError when two workspaces have this name */
  async inspect(): Promise<Finding> {
    const { alias, tags, adminUserId } = this.#options;
    const workspaceId = await this.#findId();
    const noAdmin = adminUserId === undefined ? ['nobody is made ADMIN: no SSO user id was given'] : [];
    if (workspaceId === undefined) {
      return absent(adminUserId === undefined ? [] : [`+ SSO user ${adminUserId} as ADMIN`], noAdmin);
    }
    const workspace = await this.#describe(workspaceId);
    if (workspace === undefined) return absent();
    this.#note(workspace);
    const arn = grafanaWorkspaceArn(this.#facts.place, workspaceId);
    const isOurs = ownershipOf(workspace.tags, alias).kind === 'ours';
    const diff = isOurs ? this.#settingsDiff(workspace) : [];
    if (adminUserId !== undefined && !(await this.#isAdmin(workspaceId, adminUserId))) {
      diff.push(`+ SSO user ${adminUserId} as ADMIN`);
    }
    if (isOurs) diff.push(...tagDiff(missingTags(ownerTags(alias, tags), workspace.tags), workspace.tags));
    if (workspace.status === 'CREATING') diff.push('+ status ACTIVE (it is being created)');
    return present(arn, isOurs, diff, { notes: [`id ${workspaceId}, ${workspace.status}`, ...noAdmin] });
  }

  async apply(finding: Finding): Promise<void> {
    const workspaceId = finding.state === 'absent' ? await this.#create() : this.#facts.grafanaWorkspaceId;
    if (workspaceId === undefined) return;
    await this.#waitUntilActive(workspaceId);
    if (finding.isOurs && finding.state !== 'absent') await this.#update(workspaceId);
    const { adminUserId } = this.#options;
    if (adminUserId !== undefined && !(await this.#isAdmin(workspaceId, adminUserId))) {
      await this.#makeAdmin(workspaceId, adminUserId);
    }
  }

  async destroy(finding: Finding): Promise<Removal> {
    const workspaceId = this.#facts.grafanaWorkspaceId;
    if (finding.state === 'absent' || workspaceId === undefined) return { kind: 'absent' };
    if (!finding.isOurs) return { kind: 'left', reason: NOT_OURS };
    await this.#grafana.send(new DeleteWorkspaceCommand({ workspaceId }));
    const read = async (): Promise<string | undefined> => (await this.#describe(workspaceId))?.status;
    const what = `Grafana workspace ${workspaceId}`;
    await waitForStatus({ what, wanted: 'DELETED', read, timeoutMs: ACTIVE_TIMEOUT_MS }, this.#waiting);
    return { kind: 'removed' };
  }

  async #create(): Promise<string | undefined> {
    const { name, alias, tags } = this.#options;
    const command = new CreateWorkspaceCommand({
      workspaceName: name,
      workspaceDescription: `Dashboards of the AMP workspace ${alias}`,
      accountAccessType: 'CURRENT_ACCOUNT',
      authenticationProviders: ['AWS_SSO'],
      permissionType: 'SERVICE_MANAGED',
      workspaceDataSources: ['PROMETHEUS'],
      workspaceNotificationDestinations: ['SNS'],
      workspaceRoleArn: this.#facts.grafanaRoleArn,
      tags: ownerTags(alias, tags),
    });
    // Grafana checks the role, which IAM may not have spread yet.
    const { workspace } = await untilVisible(() => this.#grafana.send(command), ['Validation'], this.#waiting);
    return workspace?.id;
  }

  async #waitUntilActive(workspaceId: string): Promise<void> {
    const read = async (): Promise<string | undefined> => {
      const workspace = await this.#describe(workspaceId);
      if (workspace !== undefined) this.#note(workspace);
      return workspace?.status;
    };
    const what = `Grafana workspace ${workspaceId}`;
    await waitForStatus({ what, wanted: 'ACTIVE', read, timeoutMs: ACTIVE_TIMEOUT_MS }, this.#waiting);
  }

  async #update(workspaceId: string): Promise<void> {
    const workspace = await this.#describe(workspaceId);
    if (workspace === undefined) return;
    if (this.#settingsDiff(workspace).length > 0) {
      await this.#grafana.send(
        new UpdateWorkspaceCommand({
          workspaceId,
          workspaceDataSources: [...new Set([...(workspace.dataSources ?? []), 'PROMETHEUS' as const])],
          workspaceNotificationDestinations: ['SNS'],
          workspaceRoleArn: this.#facts.grafanaRoleArn,
        }),
      );
      await this.#waitUntilActive(workspaceId);
    }
    const { alias, tags } = this.#options;
    const resourceArn = grafanaWorkspaceArn(this.#facts.place, workspaceId);
    await this.#grafana.send(new TagResourceCommand({ resourceArn, tags: ownerTags(alias, tags) }));
  }

  async #makeAdmin(workspaceId: string, userId: string): Promise<void> {
    const users = [{ id: userId, type: 'SSO_USER' as const }];
    const { errors } = await this.#grafana.send(
      new UpdatePermissionsCommand({
        workspaceId,
        updateInstructionBatch: [{ action: 'ADD', role: 'ADMIN', users }],
      }),
    );
    const [first] = errors ?? [];
    if (first === undefined) return;
    throw new BootstrapError(
      'SSO_USER',
      `the SSO user ${userId} could not be made ADMIN: ${first.message}`,
      'Give the user id of IAM Identity Center (aws identitystore list-users --identity-store-id ID), not a name.',
    );
  }

  #settingsDiff(workspace: WorkspaceDescription): string[] {
    const diff: string[] = [];
    if (!(workspace.dataSources ?? []).includes('PROMETHEUS')) diff.push('+ data source type PROMETHEUS');
    if (!(workspace.notificationDestinations ?? []).includes('SNS')) diff.push('+ notification destination SNS');
    const wantedRole = this.#facts.grafanaRoleArn;
    if (wantedRole !== undefined && workspace.workspaceRoleArn !== wantedRole) {
      diff.push(`- role ${workspace.workspaceRoleArn}`, `+ role ${wantedRole}`);
    }
    return diff;
  }

  #note({ id, endpoint }: WorkspaceDescription): void {
    this.#facts.grafanaWorkspaceId = id;
    if (endpoint === undefined || endpoint === '') return;
    // AWS gives a bare host.
    const url = endpoint.includes('://') ? endpoint : `https://${endpoint}`;
    this.#facts.grafanaUrl = url.replace(/\/+$/u, '');
  }

  async #isAdmin(workspaceId: string, userId: string): Promise<boolean> {
    const input = { workspaceId, userId, userType: 'SSO_USER' as const };
    for await (const page of paginateListPermissions({ client: this.#grafana }, input)) {
      if ((page.permissions ?? []).some(({ user, role }) => user?.id === userId && role === 'ADMIN')) return true;
    }
    return false;
  }

  async #findId(): Promise<string | undefined> {
    const found: WorkspaceSummary[] = [];
    for await (const page of paginateListWorkspaces({ client: this.#grafana }, {})) {
      found.push(...(page.workspaces ?? []));
    }
    const named = found.filter(({ name, status }) => name === this.name && status !== 'DELETING');
    if (named.length > 1) {
      throw new BootstrapError(
        'SEVERAL_GRAFANAS',
        `${named.length} Grafana workspaces have the name ${this.name}: ${named.map(({ id }) => id).join(', ')}`,
        'Rename or delete one of them, or choose another grafana.workspace_name in bootstrap.yml.',
      );
    }
    return named[0]?.id;
  }

  async #describe(workspaceId: string): Promise<WorkspaceDescription | undefined> {
    try {
      return (await this.#grafana.send(new DescribeWorkspaceCommand({ workspaceId }))).workspace;
    } catch (error) {
      if (isAwsCode(error, 'ResourceNotFound')) return undefined;
      throw error;
    }
  }
}
