/**
 * The permission policy: aps:RemoteWrite on one workspace, with --query the read actions beside it.
 *
 * A policy of others is given what we need beside what it has; ours is made exactly as planned.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonmanagedserviceforprometheus.html
 */
import type { IAMClient, Policy } from '@aws-sdk/client-iam';
import {
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  DeletePolicyCommand,
  DeletePolicyVersionCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  ListEntitiesForPolicyCommand,
  ListPolicyVersionsCommand,
  TagPolicyCommand,
} from '@aws-sdk/client-iam';

import { policyArn } from './arn.ts';
import { BootstrapError, isAwsCode } from './errors.ts';
import { lineDiff } from './line-diff.ts';
import { fromTagList, missingTags, ownershipOf, ownerTags, tagDiff, type Tags, toTagList } from './ownership.ts';
import type { PolicyDocument } from './policy-document.ts';
import { POLICY_VERSION, readPolicyDocument, showPolicyDocument, withStatements } from './policy-document.ts';
import type { Facts, Finding, Removal, Resource } from './resource.ts';
import { absent, blocked, NOT_OURS, present } from './resource.ts';

export const WRITE_ACTIONS = ['aps:RemoteWrite'] as const;
export const QUERY_ACTIONS = ['aps:GetLabels', 'aps:GetMetricMetadata', 'aps:GetSeries', 'aps:QueryMetrics'] as const;

/** Stands for the ARN of a workspace that is yet to be created. */
export const UNKNOWN_WORKSPACE = '(the ARN of the new workspace)';

/** IAM keeps five versions of a policy, the one in force included. */
const MAX_VERSIONS = 5;

export interface PolicyOptions {
  readonly alias: string;
  readonly tags: Tags;
  /** Begins and ends with a slash. */
  readonly path: string;
  readonly policyName: string;
  readonly roleName: string;
  readonly query: boolean;
}

export function ingestPolicy(workspaceArn: string, query: boolean): PolicyDocument {
  return {
    Version: POLICY_VERSION,
    Statement: [
      {
        Sid: 'AmpWriteProxy',
        Effect: 'Allow',
        Action: query ? [...WRITE_ACTIONS, ...QUERY_ACTIONS] : [...WRITE_ACTIONS],
        Resource: workspaceArn,
      },
    ],
  };
}

export class PolicyResource implements Resource {
  readonly kind = 'policy';
  readonly name: string;
  readonly #iam: IAMClient;
  readonly #options: PolicyOptions;
  readonly #facts: Facts;
  readonly #arn: string;

  constructor(iam: IAMClient, options: PolicyOptions, facts: Facts) {
    this.name = options.policyName;
    this.#iam = iam;
    this.#options = options;
    this.#facts = facts;
    this.#arn = policyArn(facts.place, options.path, options.policyName);
  }

  async inspect(): Promise<Finding> {
    this.#facts.policyArn = this.#arn;
    const policy = await this.#tryGet();
    if (policy === undefined) return absent(lineDiff('', showPolicyDocument(this.#wanted(undefined))).slice(1));
    const tags = fromTagList(policy.Tags);
    const ownership = ownershipOf(tags, this.#options.alias);
    if (ownership.kind === 'sibling') {
      const problem = `it belongs to the installation of workspace alias ${ownership.alias}; choose another --policy-name`;
      return blocked(problem, this.#arn);
    }
    const isOurs = ownership.kind === 'ours';
    const actual = await this.#readDocument(policy);
    const diff = lineDiff(showPolicyDocument(actual), showPolicyDocument(this.#wanted(isOurs ? undefined : actual)));
    if (isOurs) diff.push(...tagDiff(missingTags(this.#wantedTags(), tags), tags));
    return present(this.#arn, isOurs, diff, { notes: wideGrants(actual, isOurs) });
  }

  async apply(finding: Finding): Promise<void> {
    if (finding.state === 'absent') {
      await this.#create();
      return;
    }
    const policy = await this.#tryGet();
    if (policy === undefined) return;
    const actual = await this.#readDocument(policy);
    const wanted = this.#wanted(finding.isOurs ? undefined : actual);
    if (showPolicyDocument(actual) !== showPolicyDocument(wanted)) {
      await this.#makeRoomForVersion();
      await this.#iam.send(
        new CreatePolicyVersionCommand({
          PolicyArn: this.#arn,
          PolicyDocument: JSON.stringify(wanted),
          SetAsDefault: true,
        }),
      );
    }
    if (finding.isOurs) {
      await this.#iam.send(new TagPolicyCommand({ PolicyArn: this.#arn, Tags: toTagList(this.#wantedTags()) }));
    }
  }

  async destroy(finding: Finding): Promise<Removal> {
    const PolicyArn = this.#arn;
    if (finding.state === 'absent') return { kind: 'absent' };
    if (!finding.isOurs) return { kind: 'left', reason: NOT_OURS };
    const users = await this.#iam.send(new ListEntitiesForPolicyCommand({ PolicyArn }));
    const names = [
      ...(users.PolicyRoles ?? []).map(({ RoleName }) => `role ${RoleName}`),
      ...(users.PolicyUsers ?? []).map(({ UserName }) => `user ${UserName}`),
      ...(users.PolicyGroups ?? []).map(({ GroupName }) => `group ${GroupName}`),
    ];
    if (names.length > 0) return { kind: 'left', reason: `it is attached to ${names.join(', ')}` };
    const { Versions: versions } = await this.#iam.send(new ListPolicyVersionsCommand({ PolicyArn }));
    for (const { VersionId, IsDefaultVersion } of versions ?? []) {
      if (IsDefaultVersion !== true) await this.#iam.send(new DeletePolicyVersionCommand({ PolicyArn, VersionId }));
    }
    await this.#iam.send(new DeletePolicyCommand({ PolicyArn }));
    return { kind: 'removed' };
  }

  async #create(): Promise<void> {
    const { path, policyName } = this.#options;
    try {
      await this.#iam.send(
        new CreatePolicyCommand({
          PolicyName: policyName,
          Path: path,
          PolicyDocument: JSON.stringify(this.#wanted(undefined)),
          Description: 'What amp-write-proxy may do with its workspace',
          Tags: toTagList(this.#wantedTags()),
        }),
      );
    } catch (error) {
      if (!isAwsCode(error, 'EntityAlreadyExists')) throw error;
      throw new BootstrapError(
        'NAME_TAKEN',
        `a policy ${policyName} exists under another path than ${path}`,
        'Give that path (path: in bootstrap.yml), or choose another --policy-name.',
      );
    }
  }

  async #makeRoomForVersion(): Promise<void> {
    const PolicyArn = this.#arn;
    const { Versions: versions } = await this.#iam.send(new ListPolicyVersionsCommand({ PolicyArn }));
    const old = (versions ?? [])
      .filter(({ IsDefaultVersion }) => IsDefaultVersion !== true)
      .toSorted((a, b) => (a.CreateDate?.getTime() ?? 0) - (b.CreateDate?.getTime() ?? 0));
    const [oldest] = old;
    if ((versions ?? []).length < MAX_VERSIONS || oldest === undefined) return;
    await this.#iam.send(new DeletePolicyVersionCommand({ PolicyArn, VersionId: oldest.VersionId }));
  }

  /** @param theirs the document of others that ours is added to */
  #wanted(theirs: PolicyDocument | undefined): PolicyDocument {
    const ours = ingestPolicy(this.#facts.workspaceArn ?? UNKNOWN_WORKSPACE, this.#options.query);
    return theirs === undefined ? ours : withStatements(theirs, ours);
  }

  #wantedTags(): Tags {
    return ownerTags(this.#options.alias, this.#options.tags);
  }

  async #readDocument({ DefaultVersionId: VersionId }: Policy): Promise<PolicyDocument | undefined> {
    const { PolicyVersion } = await this.#iam.send(
      new GetPolicyVersionCommand({ PolicyArn: this.#arn, VersionId: VersionId ?? 'v1' }),
    );
    return readPolicyDocument(PolicyVersion?.Document);
  }

  async #tryGet(): Promise<Policy | undefined> {
    try {
      return (await this.#iam.send(new GetPolicyCommand({ PolicyArn: this.#arn }))).Policy;
    } catch (error) {
      if (isAwsCode(error, 'NoSuchEntity')) return undefined;
      throw error;
    }
  }
}

/** A policy of others may grant far more than is needed, which is their decision. */
function wideGrants(document: PolicyDocument | undefined, isOurs: boolean): string[] {
  if (isOurs || document === undefined) return [];
  const isWide = document.Statement.some(
    ({ Effect, Resource }) => Effect === 'Allow' && [Resource].flat().includes('*'),
  );
  return isWide ? ['it grants actions on every resource (*): wider than needed, and not ours to narrow'] : [];
}
