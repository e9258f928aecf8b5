import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, temporaryDirectory } from './processes.ts';
import { describeSkips, groupByNeed, needOf, UNKNOWN } from './skipped.ts';

async function judge(
  statuses: Readonly<Record<string, string>>,
  ...allowed: string[]
): Promise<[number | null, string]> {
  const testResults = Object.entries(statuses).map(([name, status]) => ({
    name: path.join(ROOT, name),
    assertionResults: [{ status: 'passed' }, { status }],
  }));
  const report = path.join(await temporaryDirectory(), 'vitest.json');
  writeFileSync(report, JSON.stringify({ testResults }));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['.ci/skips.ts', report, ...allowed], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return [status, stdout + stderr];
}

test('every file that may skip a test says what brings it', () => {
  const files = globSync('test/**/*.test.ts', { cwd: ROOT });
  const skipping = files.filter((file) =>
    /\.skipIf\([!\w]|return skip\(/.test(readFileSync(path.join(ROOT, file), 'utf8')),
  );
  expect(skipping.length).toBeGreaterThan(20);
  expect(skipping.filter((file) => needOf(file) === UNKNOWN)).toEqual([]);
});

test('skipped tests are listed by what they lack, with the variable that brings it', () => {
  const groups = groupByNeed([
    'test/chart/render.test.ts',
    'test/chart/render.test.ts',
    'test/end-to-end/metrics.test.ts',
  ]);
  expect(describeSkips(groups)).toBe(
    [
      '  2 without helm; to run them: set HELM_BIN and KUBECTL_BIN, or install helm and kubectl',
      '    test/chart/render.test.ts (2)',
      '  1 without promtool; to run them: set PROMTOOL_BIN, or install prometheus',
      '    test/end-to-end/metrics.test.ts (1)',
    ].join('\n'),
  );
});

describe('.ci/skips.ts', () => {
  test('passes a run without skips in silence', async () => {
    expect(await judge({ 'test/chart/render.test.ts': 'failed' })).toEqual([0, '']);
  });

  test('fails a run for a skip that is not allowed by name', async () => {
    const [status, output] = await judge({ 'test/commands/bootstrap/answers.test.ts': 'pending' });
    expect(status).toBe(1);
    expect(output).toMatch(/not allowed:\n {2}1 without moto; to run them: .*MOTO_URL/);
  });

  test('lists a skip that is allowed by name, and fails for the other', async () => {
    const moto = { 'test/commands/bootstrap/answers.test.ts': 'pending' };
    const [alone, output] = await judge(moto, 'moto');
    expect([alone, output]).toEqual([0, expect.stringContaining('allowed here:\n  1 without moto')]);
    const [both] = await judge({ ...moto, 'test/chart/render.test.ts': 'todo' }, 'moto');
    expect(both).toBe(1);
  });
});
