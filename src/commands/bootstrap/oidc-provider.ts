/**
 * The IAM OIDC provider of the cluster: taken from the EKS cluster, or from the issuer that was given; checked, and
 * with --create-oidc-provider made.
 *
 * IAM fetches the issuer's certificate itself, so no thumbprint is given.
 * https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html
 */
import { DescribeClusterCommand, type EKSClient } from '@aws-sdk/client-eks';
import type { GetOpenIDConnectProviderResponse, IAMClient } from '@aws-sdk/client-iam';
import {
  AddClientIDToOpenIDConnectProviderCommand,
  CreateOpenIDConnectProviderCommand,
  DeleteOpenIDConnectProviderCommand,
  GetOpenIDConnectProviderCommand,
  ListOpenIDConnectProvidersCommand,
  paginateListRoles,
  TagOpenIDConnectProviderCommand,
} from '@aws-sdk/client-iam';

import { oidcProviderArn } from './arn.ts';
import { BootstrapError, isAwsCode } from './errors.ts';
import { fromTagList, missingTags, ownershipOf, ownerTags, tagDiff, type Tags, toTagList } from './ownership.ts';
import type { Facts, Finding, Removal, Resource } from './resource.ts';
import { absent, blocked, NOT_OURS, present } from './resource.ts';

/** The audience of tokens for STS. */
export const STS_AUDIENCE = 'sts.amazonaws.com';

export interface OidcProviderOptions {
  readonly alias: string;
  readonly tags: Tags;
  /** https://...; undefined if destroy has to find out. */
  readonly issuerUrl: string | undefined;
  readonly mayCreate: boolean;
  readonly roleName: string;
}

export class OidcProviderResource implements Resource {
  readonly kind = 'oidc provider';
  readonly #iam: IAMClient;
  readonly #options: OidcProviderOptions;
  readonly #facts: Facts;

  constructor(iam: IAMClient, options: OidcProviderOptions, facts: Facts) {
    this.#iam = iam;
    this.#options = options;
    this.#facts = facts;
  }

  /** Known after inspection if no issuer was given. */
  get name(): string {
    const { issuerUrl } = this.#options;
    return issuerUrl === undefined ? (this.#facts.oidcIssuer ?? 'of the cluster') : issuerOf(issuerUrl);
  }

  async inspect(): Promise<Finding> {
    const { issuerUrl, mayCreate, alias, tags } = this.#options;
    if (issuerUrl === undefined) return this.#inspectOurs();
    const issuer = issuerOf(issuerUrl);
    this.#facts.oidcIssuer = issuer;
    const arn = oidcProviderArn(this.#facts.place, issuer);
    const provider = await this.#tryGet(arn);
    if (provider === undefined) {
      if (mayCreate) return absent([`+ client id ${STS_AUDIENCE}`]);
      return blocked(
        `IAM has no OIDC provider for https://${issuer}, so no pod of the cluster can take a role; make it: ` +
          'add --create-oidc-provider, or run ' +
          `\`aws iam create-open-id-connect-provider --url https://${issuer} --client-id-list ${STS_AUDIENCE}\``,
        arn,
      );
    }
    const actual = fromTagList(provider.Tags);
    // For a sibling's provider only the audience matters: a cluster has one provider for all its installations.
    const isOurs = ownershipOf(actual, alias).kind === 'ours';
    const diff = isOurs ? tagDiff(missingTags(ownerTags(alias, tags), actual), actual) : [];
    const hasAudience = (provider.ClientIDList ?? []).includes(STS_AUDIENCE);
    if (!hasAudience && !isOurs && !mayCreate) {
      return blocked(
        `the OIDC provider of https://${issuer} does not list ${STS_AUDIENCE} among its client ids ` +
          `(${(provider.ClientIDList ?? []).join(', ') || 'it has none'}), so STS refuses the pods' tokens; add it: ` +
          '--create-oidc-provider does, or run ' +
          `\`aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn ${arn} --client-id ${STS_AUDIENCE}\``,
        arn,
      );
    }
    if (!hasAudience) diff.push(`+ client id ${STS_AUDIENCE}`);
    return present(arn, isOurs, diff);
  }

  async apply(finding: Finding): Promise<void> {
    const { alias, tags, issuerUrl } = this.#options;
    const wanted = toTagList(ownerTags(alias, tags));
    if (finding.state === 'absent') {
      await this.#iam.send(
        new CreateOpenIDConnectProviderCommand({
          // A slash at its end would be part of the provider's ARN.
          Url: `https://${issuerOf(issuerUrl ?? '')}`,
          ClientIDList: [STS_AUDIENCE],
          Tags: wanted,
        }),
      );
      return;
    }
    const OpenIDConnectProviderArn = finding.arn;
    // Adding an id that is there already succeeds and changes nothing.
    await this.#iam.send(
      new AddClientIDToOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, ClientID: STS_AUDIENCE }),
    );
    if (finding.isOurs) {
      await this.#iam.send(new TagOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, Tags: wanted }));
    }
  }

  /** Every role of the cluster needs it, so it goes only when no other role trusts it. */
  async destroy(finding: Finding): Promise<Removal> {
    const { arn } = finding;
    if (finding.state === 'absent' || arn === undefined) return { kind: 'absent' };
    if (!finding.isOurs) return { kind: 'left', reason: NOT_OURS };
    const others = await this.#rolesThatTrust(arn);
    if (others.length > 0) {
      const list = others.slice(0, 3).join(', ') + (others.length > 3 ? `, ${others.length - 3} more` : '');
      return { kind: 'left', reason: `other roles trust it: ${list}` };
    }
    await this.#iam.send(new DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn }));
    return { kind: 'removed' };
  }

  /** Without an issuer: the provider that bears our tag, if there is one. */
  async #inspectOurs(): Promise<Finding> {
    const { OpenIDConnectProviderList: list } = await this.#iam.send(new ListOpenIDConnectProvidersCommand({}));
    for (const { Arn: arn } of list ?? []) {
      const provider = arn === undefined ? undefined : await this.#tryGet(arn);
      if (arn !== undefined && ownershipOf(fromTagList(provider?.Tags), this.#options.alias).kind === 'ours') {
        this.#facts.oidcIssuer = arn.slice(arn.indexOf('/') + 1);
        return present(arn, true, []);
      }
    }
    return absent();
  }

  async #rolesThatTrust(providerArn: string): Promise<string[]> {
    const names: string[] = [];
    for await (const page of paginateListRoles({ client: this.#iam }, {})) {
      for (const role of page.Roles ?? []) {
        const trust = decodeURIComponent(role.AssumeRolePolicyDocument ?? '');
        if (trust.includes(`"${providerArn}"`)) names.push(role.RoleName ?? '');
      }
    }
    return names.filter((name) => name !== this.#options.roleName);
  }

  async #tryGet(arn: string): Promise<GetOpenIDConnectProviderResponse | undefined> {
    try {
      return await this.#iam.send(new GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn }));
    } catch (error) {
      if (isAwsCode(error, 'NoSuchEntity')) return undefined;
      throw error;
    }
  }
}

/** Returns an issuer as IAM writes it in ARNs and condition keys: no scheme, no slash at its end. */
export function issuerOf(issuerUrl: string): string {
  return issuerUrl.replace(/^https:\/\//u, '').replace(/\/+$/u, '');
}

/** @throws BootstrapError when there is no such cluster, or it has no issuer */
export async function issuerUrlOfCluster(eks: EKSClient, name: string, region: string): Promise<string> {
  try {
    const { cluster } = await eks.send(new DescribeClusterCommand({ name }));
    const issuer = cluster?.identity?.oidc?.issuer;
    if (issuer !== undefined && issuer !== '') return issuer;
    throw new BootstrapError(
      'NO_ISSUER',
      `the EKS cluster ${name} has no OIDC issuer`,
      'Give the issuer with --oidc-issuer URL, or use --identity pod-identity.',
    );
  } catch (error) {
    if (!isAwsCode(error, 'ResourceNotFound')) throw error;
    throw new BootstrapError(
      'NO_CLUSTER',
      `there is no EKS cluster ${name} in ${region}`,
      `See \`aws eks list-clusters --region ${region}\`. For a cluster outside EKS give --oidc-issuer URL instead of --cluster.`,
    );
  }
}
