/**
 * Grafana's own HTTP API, as far as it is needed: data sources and dashboards.
 *
 * The token is of a service account that is made for the purpose, lives ten minutes at most, and is deleted together
 * with its account as soon as the work is done. It is never printed. What an interrupted run left is removed first.
 * https://docs.aws.amazon.com/grafana/latest/userguide/service-accounts.html
 */
import type { GrafanaClient } from '@aws-sdk/client-grafana';
import {
  CreateWorkspaceServiceAccountCommand,
  CreateWorkspaceServiceAccountTokenCommand,
  DeleteWorkspaceServiceAccountCommand,
  paginateListWorkspaceServiceAccounts,
} from '@aws-sdk/client-grafana';
import { z } from 'zod';

import { BootstrapError } from './errors.ts';

const SERVICE_ACCOUNT_NAME = 'amp-write-proxy-bootstrap';
const TOKEN_LIFETIME_SECONDS = 600;
const REQUEST_TIMEOUT_MS = 20_000;

/** Runs `work` with a token of its own. */
export async function withGrafanaApi<T>(
  grafana: GrafanaClient,
  workspaceId: string,
  url: string,
  work: (api: GrafanaApi) => Promise<T>,
): Promise<T> {
  await removeServiceAccounts(grafana, workspaceId);
  const account = await grafana.send(
    new CreateWorkspaceServiceAccountCommand({ workspaceId, name: SERVICE_ACCOUNT_NAME, grafanaRole: 'ADMIN' }),
  );
  try {
    const { serviceAccountToken } = await grafana.send(
      new CreateWorkspaceServiceAccountTokenCommand({
        workspaceId,
        serviceAccountId: account.id,
        name: SERVICE_ACCOUNT_NAME,
        secondsToLive: TOKEN_LIFETIME_SECONDS,
      }),
    );
    return await work(new GrafanaApi(url, serviceAccountToken?.key ?? ''));
  } finally {
    await grafana.send(new DeleteWorkspaceServiceAccountCommand({ workspaceId, serviceAccountId: account.id }));
  }
}

async function removeServiceAccounts(grafana: GrafanaClient, workspaceId: string): Promise<void> {
  for await (const page of paginateListWorkspaceServiceAccounts({ client: grafana }, { workspaceId })) {
    for (const { id, name } of page.serviceAccounts ?? []) {
      if (name !== SERVICE_ACCOUNT_NAME) continue;
      await grafana.send(new DeleteWorkspaceServiceAccountCommand({ workspaceId, serviceAccountId: id }));
    }
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

const objectSchema = z.record(z.string(), z.unknown());

export class GrafanaApi {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** undefined when there is none of this uid. */
  tryGetDataSource(uid: string): Promise<JsonObject | undefined> {
    return this.#call('GET', `/api/datasources/uid/${encodeURIComponent(uid)}`);
  }

  async putDataSource(dataSource: JsonObject & { readonly uid: string }, isNew: boolean): Promise<void> {
    const uid = encodeURIComponent(dataSource.uid);
    await this.#call(isNew ? 'POST' : 'PUT', isNew ? '/api/datasources' : `/api/datasources/uid/${uid}`, dataSource);
  }

  async removeDataSource(uid: string): Promise<void> {
    await this.#call('DELETE', `/api/datasources/uid/${encodeURIComponent(uid)}`);
  }

  /** The dashboard itself, without what Grafana says about it. */
  async tryGetDashboard(uid: string): Promise<JsonObject | undefined> {
    const answer = await this.#call('GET', `/api/dashboards/uid/${encodeURIComponent(uid)}`);
    return objectSchema.safeParse(answer?.['dashboard']).data;
  }

  async putDashboard(dashboard: JsonObject): Promise<void> {
    const message = 'amp-write-proxy bootstrap';
    await this.#call('POST', '/api/dashboards/db', { dashboard: { ...dashboard, id: null }, overwrite: true, message });
  }

  async removeDashboard(uid: string): Promise<void> {
    await this.#call('DELETE', `/api/dashboards/uid/${encodeURIComponent(uid)}`);
  }

  async #call(method: string, path: string, body?: JsonObject): Promise<JsonObject | undefined> {
    let response: Response;
    try {
      response = await fetch(`${this.#url}${path}`, {
        method,
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        redirect: 'error',
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new BootstrapError(
        'GRAFANA',
        `Grafana at ${this.#url} cannot be reached: ${reason}`,
        'A new workspace takes a minute until its name is known. Run the same command again; in a private network, check its network access control.',
      );
    }
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (!response.ok) {
      throw new BootstrapError(
        'GRAFANA',
        `Grafana answered ${response.status} to ${method} ${path}: ${text.slice(0, 300)}`,
        'Run the same command again; when it stays, look at the workspace in the Grafana console.',
      );
    }
    return readObject(text);
  }
}

function readObject(text: string): JsonObject {
  try {
    return objectSchema.parse(JSON.parse(text === '' ? '{}' : text));
  } catch {
    throw new BootstrapError('GRAFANA', 'Grafana answered with something that is not JSON', 'Run it again.');
  }
}
