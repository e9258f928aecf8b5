/**
 * An IAM role: its trust, and either a managed policy attached to it or an inline one in it.
 *
 * Our own role is made exactly as planned. A role of others gets our trust statement and our policy in addition, and is
 * left alone otherwise. The path of a role cannot be changed once it is made.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
 */
import type { IAMClient, Role } from '@aws-sdk/client-iam';
import {
  AttachRolePolicyCommand,
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  TagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';

import { isAwsCode } from './errors.ts';
import { lineDiff } from './line-diff.ts';
import { fromTagList, missingTags, ownershipOf, ownerTags, tagDiff, type Tags, toTagList } from './ownership.ts';
import type { PolicyDocument } from './policy-document.ts';
import { isSamePolicy, readPolicyDocument, showPolicyDocument, withStatements } from './policy-document.ts';
import type { Finding, Removal, Resource } from './resource.ts';
import { absent, blocked, NOT_OURS, present } from './resource.ts';
import { describeTrust } from './trust.ts';
import type { Waiting } from './wait.ts';
import { untilVisible } from './wait.ts';

export interface RoleOptions {
  readonly kind: string;
  readonly arn: string;
  readonly roleName: string;
  /** Begins and ends with a slash. */
  readonly path: string;
  readonly description: string;
  readonly alias: string;
  readonly tags: Tags;
  readonly permissionsBoundary: string | undefined;
  /** Called when needed, since it may depend on earlier findings. Undefined means any trust (destroy). */
  readonly trust: () => PolicyDocument | undefined;
  /** ARN of the policy to attach. */
  readonly attached: () => string | undefined;
  readonly inline: () => { readonly name: string; readonly document: PolicyDocument } | undefined;
}

interface RoleState {
  readonly role: Role;
  readonly tags: Tags;
  readonly trust: PolicyDocument | undefined;
  readonly attachedArns: readonly string[];
  readonly inline: PolicyDocument | undefined;
}

export class RoleResource implements Resource {
  readonly kind: string;
  readonly name: string;
  readonly #iam: IAMClient;
  readonly #options: RoleOptions;
  readonly #waiting: Waiting;

  constructor(iam: IAMClient, options: RoleOptions, waiting: Waiting) {
    this.kind = options.kind;
    this.name = options.roleName;
    this.#iam = iam;
    this.#options = options;
    this.#waiting = waiting;
  }

  async inspect(): Promise<Finding> {
    const { arn, alias, path } = this.#options;
    const state = await this.#tryRead();
    if (state === undefined) return absent(this.#diffOfNew());
    const ownership = ownershipOf(state.tags, alias);
    if (ownership.kind === 'sibling') {
      return blocked(
        `it belongs to the installation of workspace alias ${ownership.alias}; choose another --role-name`,
        arn,
      );
    }
    const isOurs = ownership.kind === 'ours';
    const notes = describeTrust(state.trust);
    const foreignPolicies = state.attachedArns.filter((attached) => attached !== this.#options.attached());
    if (foreignPolicies.length > 0) notes.push(`also attached, left as it is: ${foreignPolicies.join(', ')}`);
    if (state.role.Path !== path) {
      const problem =
        `its path is ${state.role.Path}, not ${path}, and cannot be changed; give that path (path: in bootstrap.yml), ` +
        'destroy and apply again, or choose another --role-name';
      return { ...blocked(problem, state.role.Arn), isOurs, notes };
    }
    return present(arn, isOurs, this.#diffOf(state, isOurs), { notes });
  }

  async apply(finding: Finding): Promise<void> {
    const { roleName: RoleName, path, description, permissionsBoundary, trust } = this.#options;
    const tags = toTagList(this.#wantedTags());
    if (finding.state === 'absent') {
      await this.#iam.send(
        new CreateRoleCommand({
          RoleName,
          Path: path,
          Description: description,
          AssumeRolePolicyDocument: JSON.stringify(trust()),
          ...(permissionsBoundary === undefined ? {} : { PermissionsBoundary: permissionsBoundary }),
          Tags: tags,
        }),
      );
      await this.#grant(undefined);
      return;
    }
    const state = await this.#tryRead();
    if (state === undefined) return;
    const wantedTrust = this.#wantedTrust(state, finding.isOurs);
    if (wantedTrust !== undefined && !isSamePolicy(state.trust, wantedTrust)) {
      const PolicyDocument = JSON.stringify(wantedTrust);
      await this.#iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }));
    }
    const boundary = state.role.PermissionsBoundary?.PermissionsBoundaryArn;
    if (finding.isOurs && permissionsBoundary !== undefined && boundary !== permissionsBoundary) {
      await this.#iam.send(
        new PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary: permissionsBoundary }),
      );
    }
    if (finding.isOurs) await this.#iam.send(new TagRoleCommand({ RoleName, Tags: tags }));
    await this.#grant(state);
  }

  /** A role can only be removed when it is empty, so its policies are removed first: they are ours. */
  async destroy(finding: Finding): Promise<Removal> {
    const RoleName = this.#options.roleName;
    if (finding.state === 'absent') return { kind: 'absent' };
    if (!finding.isOurs) return { kind: 'left', reason: NOT_OURS };
    const attached = await this.#iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
    for (const { PolicyArn } of attached.AttachedPolicies ?? []) {
      await this.#iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }));
    }
    const inline = await this.#iam.send(new ListRolePoliciesCommand({ RoleName }));
    for (const PolicyName of inline.PolicyNames ?? []) {
      await this.#iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }));
    }
    await this.#iam.send(new DeleteRoleCommand({ RoleName }));
    return { kind: 'removed' };
  }

  /** Attaches the managed policy, and writes the inline one. */
  async #grant(state: RoleState | undefined): Promise<void> {
    const RoleName = this.#options.roleName;
    const PolicyArn = this.#options.attached();
    if (PolicyArn !== undefined && state?.attachedArns.includes(PolicyArn) !== true) {
      const attach = (): Promise<unknown> => this.#iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
      await untilVisible(attach, ['NoSuchEntity'], this.#waiting);
    }
    const inline = this.#options.inline();
    if (inline !== undefined && !isSamePolicy(state?.inline, inline.document)) {
      const PolicyDocument = JSON.stringify(inline.document);
      const put = (): Promise<unknown> =>
        this.#iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: inline.name, PolicyDocument }));
      await untilVisible(put, ['NoSuchEntity'], this.#waiting);
    }
  }

  #diffOfNew(): string[] {
    const attached = this.#options.attached();
    const inline = this.#options.inline();
    return [
      ...lineDiff('', showPolicyDocument(this.#options.trust())).slice(1),
      ...(attached === undefined ? [] : [`+ attached ${attached}`]),
      ...(inline === undefined ? [] : lineDiff('', showPolicyDocument(inline.document)).slice(1)),
    ];
  }

  #diffOf(state: RoleState, isOurs: boolean): string[] {
    const { permissionsBoundary } = this.#options;
    const attached = this.#options.attached();
    const inline = this.#options.inline();
    const wantedTrust = this.#wantedTrust(state, isOurs);
    const diff: string[] = [];
    if (wantedTrust !== undefined) {
      diff.push(...lineDiff(showPolicyDocument(state.trust), showPolicyDocument(wantedTrust)));
    }
    if (attached !== undefined && !state.attachedArns.includes(attached)) diff.push(`+ attached ${attached}`);
    if (inline !== undefined) {
      diff.push(...lineDiff(showPolicyDocument(state.inline), showPolicyDocument(inline.document)));
    }
    if (!isOurs) return diff;
    const boundary = state.role.PermissionsBoundary?.PermissionsBoundaryArn;
    if (permissionsBoundary !== undefined && boundary !== permissionsBoundary) {
      if (boundary !== undefined) diff.push(`- permissions boundary ${boundary}`);
      diff.push(`+ permissions boundary ${permissionsBoundary}`);
    }
    return [...diff, ...tagDiff(missingTags(this.#wantedTags(), state.tags), state.tags)];
  }

  #wantedTrust(state: RoleState, isOurs: boolean): PolicyDocument | undefined {
    const ours = this.#options.trust();
    return isOurs || ours === undefined || state.trust === undefined ? ours : withStatements(state.trust, ours);
  }

  #wantedTags(): Tags {
    return ownerTags(this.#options.alias, this.#options.tags);
  }

  async #tryRead(): Promise<RoleState | undefined> {
    const RoleName = this.#options.roleName;
    try {
      const { Role: role } = await this.#iam.send(new GetRoleCommand({ RoleName }));
      if (role === undefined) return undefined;
      const { AttachedPolicies } = await this.#iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
      return {
        role,
        tags: fromTagList(role.Tags),
        trust: readPolicyDocument(role.AssumeRolePolicyDocument),
        attachedArns: (AttachedPolicies ?? []).map(({ PolicyArn }) => PolicyArn ?? ''),
        inline: await this.#readInline(),
      };
    } catch (error) {
      if (isAwsCode(error, 'NoSuchEntity')) return undefined;
      throw error;
    }
  }

  async #readInline(): Promise<PolicyDocument | undefined> {
    const inline = this.#options.inline();
    if (inline === undefined) return undefined;
    const key = { RoleName: this.#options.roleName, PolicyName: inline.name };
    try {
      return readPolicyDocument((await this.#iam.send(new GetRolePolicyCommand(key))).PolicyDocument);
    } catch (error) {
      if (isAwsCode(error, 'NoSuchEntity')) return undefined;
      throw error;
    }
  }
}
