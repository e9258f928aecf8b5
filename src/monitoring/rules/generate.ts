/** Writes the rules for Prometheus and for the chart: node src/monitoring/rules/generate.ts */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { ALERTS } from './alerts.ts';
import { RECORDING_RULES } from './recording.ts';

export const RULES_FILE = fileURLToPath(new URL('../../../charts/amp-write-proxy/files/rules.yaml', import.meta.url));

/** The address of the runbook: the chart puts the URL of an installation here. */
export const RUNBOOK_URL = 'https://amp-write-proxy.example/RUNBOOK.md';

const HEAD = `# Alerts and recording rules of amp-write-proxy, made by \`npm run rules\` from src/monitoring/rules; do not edit.
# For a Prometheus without the chart: put your address of RUNBOOK.md in place of ${RUNBOOK_URL}.
`;

/** Returns a rule file of Prometheus, or the spec of a PrometheusRule. */
export function rulesText(): string {
  const alerts = ALERTS.map(({ alert, severity, expr, for: held, summary, description }) => ({
    alert,
    expr,
    ...(held === undefined ? {} : { for: held }),
    labels: { severity },
    annotations: { summary, description, runbook_url: `${RUNBOOK_URL}#${alert.toLowerCase()}` },
  }));
  const groups = [
    { name: 'amp-write-proxy.rules', rules: RECORDING_RULES },
    { name: 'amp-write-proxy.alerts', rules: alerts },
  ];
  return HEAD + stringify({ groups }, { lineWidth: 0 });
}

if (import.meta.main) writeFileSync(RULES_FILE, rulesText());
