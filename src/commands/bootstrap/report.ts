/** Steps -> what people and scripts read: screens of 80 columns, or one JSON document. */
import { explain } from './errors.ts';
import type { Outputs } from './output.ts';
import { formatPrometheusValues, prometheusValues, proxyValues } from './output.ts';
import type { AppliedStep, DestroyedStep, Step } from './plan.ts';
import type { Place } from './arn.ts';
import { diffLine, row, wrap } from './screen.ts';

const SIGNS = { absent: '+', differs: '~', 'as wanted': '=', blocked: '!' } as const;

export function header(verb: string, { accountId, region, partition }: Place): string {
  const where = partition === 'aws' ? region : `${region} (${partition})`;
  return `amp-write-proxy bootstrap ${verb}: account ${accountId}, ${where}\n\n`;
}

/** The screen of plan, and of status with its notes. */
export function stepsScreen(steps: readonly Step[], withNotes: boolean): string {
  return steps.map((step) => stepScreen(step, withNotes)).join('');
}

function stepScreen({ resource, finding }: Step, withNotes: boolean): string {
  const { state, isOurs, diff, problems, notes, arn } = finding;
  const owner = isOurs || state === 'blocked' ? '' : ' (made by others)';
  const lines = [row(SIGNS[state], resource.kind, `${resource.name}${owner}`)];
  if (withNotes && arn !== undefined && state !== 'absent') lines.push(wrap(arn, '      '));
  if (withNotes) lines.push(...notes.map((note) => wrap(note, '      ', '        ')));
  lines.push(...problems.map((problem) => wrap(problem, '      ', '      ')));
  lines.push(...diff.map(diffLine));
  return `${lines.join('\n')}\n`;
}

/** The list for destroy's question: names alone. */
export function namesScreen(steps: readonly Step[]): string {
  return steps.map(({ resource }) => `${row('-', resource.kind, resource.name)}\n`).join('');
}

/** The last line of plan and status. */
export function summary(steps: readonly Step[], next: string): string {
  const count = (state: string): number => steps.filter(({ finding }) => finding.state === state).length;
  const parts = [
    [count('absent'), 'to create'],
    [count('differs'), 'to change'],
    [count('as wanted'), 'as wanted'],
    [count('blocked'), 'blocked'],
  ] as const;
  const words = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  return `\n${wrap(`${words.join(', ')}.${next === '' ? '' : ` ${next}`}`)}\n`;
}

export function appliedLine({ resource, finding, outcome }: AppliedStep): string {
  const sign = { created: '+', changed: '~', unchanged: '=' }[outcome];
  const owner = finding.isOurs ? '' : ', made by others';
  return `${row(sign, resource.kind, `${resource.name} (${outcome}${owner})`)}\n`;
}

export function destroyedLine({ resource, removal }: DestroyedStep): string {
  switch (removal.kind) {
    case 'removed':
      return `${row('-', resource.kind, `${resource.name} (removed)`)}\n`;
    case 'absent':
      return `${row(' ', resource.kind, `${resource.name} (not there)`)}\n`;
    case 'left':
      return `${row('=', resource.kind, `${resource.name} (left: ${removal.reason})`)}\n`;
  }
}

/** The screen after apply: the results, and what to do next. */
export function outcomeScreen(outputs: Outputs): string {
  const values: [string, string][] = [
    ['workspace', outputs.workspaceId],
    ['remote write', outputs.remoteWriteUrl],
    ['role', outputs.roleArn],
    ['service account', `${outputs.serviceAccount} in namespace ${outputs.namespace}`],
  ];
  if (outputs.grafanaUrl !== undefined) values.push(['grafana', outputs.grafanaUrl]);
  const lines = values.map(([label, value]) => `  ${label}\n${wrap(value, '    ')}\n`).join('');
  const block = formatPrometheusValues(outputs).replaceAll(/^/gmu, '    ').trimEnd();
  return (
    `\n${lines}\nNext: the values of the proxy's chart come with the same options and\n\n` +
    '    amp-write-proxy bootstrap status ... --output helm\n\n' +
    `and prometheus-community/prometheus writes to the proxy with\n\n${block}\n`
  );
}

export function stepsJson(steps: readonly (Step | AppliedStep | DestroyedStep)[]): readonly unknown[] {
  return steps.map((step) => {
    const { resource, finding } = step;
    return {
      kind: resource.kind,
      name: resource.name,
      state: finding.state,
      ours: finding.isOurs,
      arn: finding.arn ?? null,
      // The differences do not matter when the resource is to be removed.
      diff: 'removal' in step ? [] : finding.diff,
      problems: finding.problems,
      notes: finding.notes,
      ...('outcome' in step ? { outcome: step.outcome } : {}),
      ...('removal' in step ? { removal: step.removal } : {}),
    };
  });
}

export function outputsJson(outputs: Outputs | undefined): Readonly<Record<string, unknown>> {
  if (outputs === undefined) return {};
  const values = { 'amp-write-proxy': proxyValues(outputs), prometheus: prometheusValues(outputs) };
  return { outputs, values };
}

export function errorScreen(error: unknown): string {
  const { message, remedy } = explain(error);
  const lines = [wrap(`error: ${message}`, '', '  ')];
  if (remedy !== '') lines.push(wrap(remedy, '  '));
  return `${lines.join('\n')}\n`;
}
