/**
 * The API that readers may use: exactly AMP's Prometheus-compatible API, and the IAM action that each route asks of the
 * proxy's role. Nothing else is signed.
 *
 * https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-APIReference-Prometheus-Compatible-Apis.html
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonmanagedserviceforprometheus.html
 */

export interface ApiRoute {
  /** Below the URL of the workspace. `:name` stands for one segment, which the reader chooses. */
  readonly path: string;
  /** By method, the IAM action that it asks for. */
  readonly actions: Readonly<Record<string, string>>;
  readonly api: 'prometheus' | 'alertmanager';
}

export const API_ROUTES: readonly ApiRoute[] = [
  prometheus('/api/v1/query', { GET: 'aps:QueryMetrics', POST: 'aps:QueryMetrics' }),
  prometheus('/api/v1/query_range', { GET: 'aps:QueryMetrics', POST: 'aps:QueryMetrics' }),
  prometheus('/api/v1/labels', { GET: 'aps:GetLabels', POST: 'aps:GetLabels' }),
  prometheus('/api/v1/label/:name/values', { GET: 'aps:GetLabels' }),
  prometheus('/api/v1/series', { GET: 'aps:GetSeries', POST: 'aps:GetSeries' }),
  prometheus('/api/v1/metadata', { GET: 'aps:GetMetricMetadata' }),
  prometheus('/api/v1/rules', { GET: 'aps:ListRules' }),
  prometheus('/api/v1/alerts', { GET: 'aps:ListAlerts' }),
  alertmanager('/alertmanager/api/v2/status', { GET: 'aps:GetAlertManagerStatus' }),
  alertmanager('/alertmanager/api/v2/alerts', {
    GET: 'aps:ListAlertManagerAlerts',
    POST: 'aps:CreateAlertManagerAlerts',
  }),
  alertmanager('/alertmanager/api/v2/alerts/groups', { GET: 'aps:ListAlertManagerAlertGroups' }),
  alertmanager('/alertmanager/api/v2/receivers', { GET: 'aps:ListAlertManagerReceivers' }),
  alertmanager('/alertmanager/api/v2/silences', {
    GET: 'aps:ListAlertManagerSilences',
    POST: 'aps:PutAlertManagerSilences',
  }),
  alertmanager('/alertmanager/api/v2/silence/:id', {
    GET: 'aps:GetAlertManagerSilence',
    DELETE: 'aps:DeleteAlertManagerSilence',
  }),
];

/**
 * Answered by the proxy itself, since AMP has no such route: Grafana asks for it when a data source is tested.
 */
export const BUILDINFO_PATH = '/api/v1/status/buildinfo';

/** Queries, for which AMP charges by the sample. */
export function isEvaluation({ path }: ApiRoute): boolean {
  return path === '/api/v1/query' || path === '/api/v1/query_range';
}

function prometheus(path: string, actions: ApiRoute['actions']): ApiRoute {
  return { path, actions, api: 'prometheus' };
}

function alertmanager(path: string, actions: ApiRoute['actions']): ApiRoute {
  return { path, actions, api: 'alertmanager' };
}
