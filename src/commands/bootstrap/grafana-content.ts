/**
 * The content of the Grafana workspace: the AMP data source (SigV4), this project's dashboard, and dashboards by file.
 *
 * Grafana can only be asked with a token, and making one changes something, which plan and status must not. So a tag of
 * the workspace holds the hash of the last content: plan and status compare that, apply looks inside. In a workspace of
 * others, destroy removes exactly the uids that bootstrap has written.
 * https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
 */
import { createHash } from 'node:crypto';

import type { GrafanaClient } from '@aws-sdk/client-grafana';
import { ListTagsForResourceCommand, TagResourceCommand, UntagResourceCommand } from '@aws-sdk/client-grafana';

import { grafanaWorkspaceArn } from './arn.ts';
import { BootstrapError } from './errors.ts';
import type { GrafanaApi, JsonObject } from './grafana-api.ts';
import { withGrafanaApi } from './grafana-api.ts';
import { ownershipOf, type Tags } from './ownership.ts';
import type { Facts, Finding, Removal, Resource } from './resource.ts';
import { absent, present } from './resource.ts';

const CONTENT_TAG = 'amp-write-proxy:content';

export interface GrafanaContentOptions {
  readonly alias: string;
  /** Makes the dashboards for the data source of this uid. */
  readonly dashboards: (dataSourceUid: string) => readonly (JsonObject & { readonly uid: string })[];
}

export class GrafanaContentResource implements Resource {
  readonly kind = 'grafana content';
  readonly name = 'data source, dashboards';
  readonly #grafana: GrafanaClient;
  readonly #options: GrafanaContentOptions;
  readonly #facts: Facts;

  constructor(grafana: GrafanaClient, options: GrafanaContentOptions, facts: Facts) {
    this.#grafana = grafana;
    this.#options = options;
    this.#facts = facts;
  }

  async inspect(): Promise<Finding> {
    const wanted = this.#wanted();
    const names = [wanted.dataSource, ...wanted.dashboards].map((item) => `+ ${String(item['name'] ?? item['title'])}`);
    const tags = await this.#workspaceTags();
    if (tags?.[CONTENT_TAG] === undefined) return absent(names);
    const isSame = tags[CONTENT_TAG] === hashOf(wanted);
    return present(undefined, true, isSame ? [] : names, { notes: ['compared by its tag; apply looks inside'] });
  }

  /** Called by apply: reads Grafana itself. */
  async inspectDeeply(): Promise<Finding> {
    const finding = await this.inspect();
    if (finding.state !== 'as wanted') return finding;
    const diff = await this.#inGrafana((api) => this.#diffInside(api));
    return present(undefined, true, diff);
  }

  async apply(): Promise<void> {
    const wanted = this.#wanted();
    await this.#inGrafana(async (api) => {
      const actual = await api.tryGetDataSource(wanted.dataSource.uid);
      await api.putDataSource(wanted.dataSource, actual === undefined);
      for (const dashboard of wanted.dashboards) {
        const before = await api.tryGetDashboard(dashboard.uid);
        if (!isSameDashboard(before, dashboard)) await api.putDashboard(dashboard);
      }
    });
    await this.#grafana.send(
      new TagResourceCommand({ resourceArn: this.#arn(), tags: { [CONTENT_TAG]: hashOf(wanted) } }),
    );
  }

  async destroy(): Promise<Removal> {
    const tags = await this.#workspaceTags();
    if (tags?.[CONTENT_TAG] === undefined) return { kind: 'absent' };
    // A workspace with our tag is removed as a whole.
    if (ownershipOf(tags, this.#options.alias).kind === 'ours') return { kind: 'removed' };
    const wanted = this.#wanted();
    await this.#inGrafana(async (api) => {
      for (const { uid } of wanted.dashboards) await api.removeDashboard(uid);
      await api.removeDataSource(wanted.dataSource.uid);
    });
    await this.#grafana.send(new UntagResourceCommand({ resourceArn: this.#arn(), tagKeys: [CONTENT_TAG] }));
    return { kind: 'removed' };
  }

  async #diffInside(api: GrafanaApi): Promise<string[]> {
    const { dataSource, dashboards } = this.#wanted();
    const actual = await api.tryGetDataSource(dataSource.uid);
    const diff: string[] = [];
    if (actual === undefined) diff.push(`+ data source ${dataSource.name}`);
    else {
      for (const [key, value] of Object.entries(dataSource)) {
        const [before, after] = [JSON.stringify(sorted(actual[key])), JSON.stringify(sorted(value))];
        if (before !== after) diff.push(`- data source ${key} ${before}`, `+ data source ${key} ${after}`);
      }
    }
    for (const dashboard of dashboards) {
      const before = await api.tryGetDashboard(dashboard.uid);
      if (!isSameDashboard(before, dashboard)) diff.push(`+ dashboard ${String(dashboard['title'])}`);
    }
    return diff;
  }

  #wanted(): Content {
    const { place, prometheusEndpoint, workspaceId } = this.#facts;
    const uid = `amp-write-proxy-${shortHash(workspaceId ?? '')}`;
    const dataSource = {
      uid,
      name: `Amazon Managed Prometheus ${this.#options.alias}`,
      type: 'prometheus',
      access: 'proxy',
      url: (prometheusEndpoint ?? '').replace(/\/+$/u, ''),
      jsonData: {
        httpMethod: 'POST',
        sigV4Auth: true,
        sigV4AuthType: 'workspace-iam-role',
        sigV4Region: place.region,
      },
    };
    return { dataSource, dashboards: this.#options.dashboards(uid) };
  }

  async #inGrafana<T>(work: (api: GrafanaApi) => Promise<T>): Promise<T> {
    const { grafanaWorkspaceId, grafanaUrl } = this.#facts;
    if (grafanaWorkspaceId === undefined || grafanaUrl === undefined) {
      throw new BootstrapError('GRAFANA', 'the Grafana workspace has no address yet', 'Run the same command again.');
    }
    return withGrafanaApi(this.#grafana, grafanaWorkspaceId, grafanaUrl, work);
  }

  async #workspaceTags(): Promise<Tags | undefined> {
    if (this.#facts.grafanaWorkspaceId === undefined) return undefined;
    const { tags } = await this.#grafana.send(new ListTagsForResourceCommand({ resourceArn: this.#arn() }));
    return tags;
  }

  #arn(): string {
    return grafanaWorkspaceArn(this.#facts.place, this.#facts.grafanaWorkspaceId ?? '');
  }
}

interface Content {
  readonly dataSource: JsonObject & { readonly uid: string; readonly name: string };
  readonly dashboards: readonly (JsonObject & { readonly uid: string })[];
}

/** Grafana numbers dashboards and counts their versions; both are ignored. */
function isSameDashboard(actual: JsonObject | undefined, wanted: JsonObject): boolean {
  if (actual === undefined) return false;
  const { id: _id, version: _version, ...rest } = actual;
  const { id: _wantedId, version: _wantedVersion, ...wantedRest } = wanted;
  return JSON.stringify(sorted(rest)) === JSON.stringify(sorted(wantedRest));
}

function hashOf(content: Content): string {
  return shortHash(JSON.stringify(sorted(content)));
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => sorted(item));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]: [string, unknown]) => [key, sorted(item)]));
}
