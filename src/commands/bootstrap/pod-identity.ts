/**
 * The EKS Pod Identity association: this service account of this cluster gets this role, with no annotation and no
 * OIDC provider. The agent add-on `eks-pod-identity-agent` has to run in the cluster.
 *
 * https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
 */
import type { EKSClient, PodIdentityAssociation } from '@aws-sdk/client-eks';
import {
  CreatePodIdentityAssociationCommand,
  DeletePodIdentityAssociationCommand,
  DescribePodIdentityAssociationCommand,
  ListPodIdentityAssociationsCommand,
  TagResourceCommand,
  UpdatePodIdentityAssociationCommand,
} from '@aws-sdk/client-eks';

import { BootstrapError, isAwsCode } from './errors.ts';
import { missingTags, ownershipOf, ownerTags, tagDiff, type Tags } from './ownership.ts';
import type { Facts, Finding, Removal, Resource } from './resource.ts';
import { absent, blocked, NOT_OURS, present } from './resource.ts';
import type { Waiting } from './wait.ts';
import { untilVisible } from './wait.ts';

export interface PodIdentityOptions {
  readonly clusterName: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly alias: string;
  readonly tags: Tags;
  /** A cluster that is gone has no associations: right for destroy, an error for all else. */
  readonly mayLackCluster: boolean;
}

export class PodIdentityResource implements Resource {
  readonly kind = 'pod identity';
  readonly name: string;
  readonly #eks: EKSClient;
  readonly #options: PodIdentityOptions;
  readonly #facts: Facts;
  readonly #waiting: Waiting;
  #associationId: string | undefined;

  constructor(eks: EKSClient, options: PodIdentityOptions, facts: Facts, waiting: Waiting) {
    this.name = `${options.namespace}/${options.serviceAccount} in ${options.clusterName}`;
    this.#eks = eks;
    this.#options = options;
    this.#facts = facts;
    this.#waiting = waiting;
  }

  async inspect(): Promise<Finding> {
    const { alias, tags } = this.#options;
    const association = await this.#tryFind();
    const wantedRole = this.#facts.roleArn ?? '';
    if (association === undefined) return absent([`+ role ${wantedRole}`]);
    this.#associationId = association.associationId;
    const isOurs = ownershipOf(association.tags, alias).kind === 'ours';
    const hasRole = association.roleArn === wantedRole;
    if (!isOurs && !hasRole && !this.#options.mayLackCluster) {
      return blocked(
        `the service account already has the role ${association.roleArn} by an association that others made ` +
          `(${association.associationId}); delete that one, or choose another --service-account`,
        association.associationArn,
      );
    }
    const diff = hasRole ? [] : [`- role ${association.roleArn}`, `+ role ${wantedRole}`];
    if (isOurs) diff.push(...tagDiff(missingTags(ownerTags(alias, tags), association.tags), association.tags));
    return present(association.associationArn, isOurs, diff);
  }

  async apply(finding: Finding): Promise<void> {
    const { clusterName, namespace, serviceAccount, alias, tags } = this.#options;
    const { roleArn } = this.#facts;
    const wanted = ownerTags(alias, tags);
    const associationId = this.#associationId;
    const call = async (): Promise<unknown> => {
      if (finding.state === 'absent') {
        return this.#eks.send(
          new CreatePodIdentityAssociationCommand({ clusterName, namespace, serviceAccount, roleArn, tags: wanted }),
        );
      }
      return this.#eks.send(new UpdatePodIdentityAssociationCommand({ clusterName, associationId, roleArn }));
    };
    // EKS checks the role, which IAM may not have spread yet.
    await untilVisible(call, ['InvalidParameter'], this.#waiting);
    if (finding.state !== 'absent' && finding.arn !== undefined) {
      await this.#eks.send(new TagResourceCommand({ resourceArn: finding.arn, tags: wanted }));
    }
  }

  async destroy(finding: Finding): Promise<Removal> {
    const { clusterName } = this.#options;
    const associationId = this.#associationId;
    if (finding.state === 'absent' || associationId === undefined) return { kind: 'absent' };
    if (!finding.isOurs) return { kind: 'left', reason: NOT_OURS };
    await this.#eks.send(new DeletePodIdentityAssociationCommand({ clusterName, associationId }));
    return { kind: 'removed' };
  }

  async #tryFind(): Promise<PodIdentityAssociation | undefined> {
    const { clusterName, namespace, serviceAccount } = this.#options;
    try {
      const key = { clusterName, namespace, serviceAccount };
      const { associations } = await this.#eks.send(new ListPodIdentityAssociationsCommand(key));
      const associationId = associations?.[0]?.associationId;
      if (associationId === undefined) return undefined;
      const described = await this.#eks.send(new DescribePodIdentityAssociationCommand({ clusterName, associationId }));
      return described.association;
    } catch (error) {
      if (!isAwsCode(error, 'ResourceNotFound')) throw error;
      if (this.#options.mayLackCluster) return undefined;
      throw new BootstrapError(
        'NO_CLUSTER',
        `there is no EKS cluster ${clusterName} in ${this.#facts.place.region}`,
        `See \`aws eks list-clusters --region ${this.#facts.place.region}\`.`,
      );
    }
  }
}
