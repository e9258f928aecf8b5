/** Writes the dashboard for the chart: node src/monitoring/dashboard/generate.ts */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { makeDashboard } from './dashboard.ts';

export const DASHBOARD_FILE = fileURLToPath(
  new URL('../../../charts/amp-write-proxy/files/dashboard.json', import.meta.url),
);

export function dashboardText(): string {
  return `${JSON.stringify(makeDashboard(), undefined, 2)}\n`;
}

if (import.meta.main) writeFileSync(DASHBOARD_FILE, dashboardText());
