import { expect, test, vi } from 'vitest';
import { parseConfig } from '../../../src/config/load.ts';
import { cpuQuotas, parseCpuMax, usableProcessors, workerCount } from '../../../src/serve/workers/count.ts';

const URL = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write';

function configOf(server: string, limits = '{}') {
  return parseConfig(`server: ${server}\nlimits: ${limits}\nremote_write: [{url: "${URL}"}]`, {}).config;
}

// https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files : "$MAX $PERIOD", max for no limit
test.each([
  ['max 100000\n', undefined],
  ['100000 100000\n', 1],
  ['150000 100000\n', 2],
  ['400000 100000', 4],
  ['10000 100000\n', 1],
  ['200000 50000\n', 4],
  ['', undefined],
  [undefined, undefined],
  ['100000 0\n', undefined],
  ['-1 100000\n', undefined],
  ['100000', undefined],
])('cpu.max %j is %s processors', (text, processors) => {
  expect(parseCpuMax(text)).toBe(processors);
});

test('the limits of all groups above the process hold for it', () => {
  const files = new Map([
    ['/proc/self/cgroup', '0::/kubepods/pod1/container\n'],
    ['/sys/fs/cgroup/kubepods/cpu.max', '800000 100000\n'],
    ['/sys/fs/cgroup/kubepods/pod1/cpu.max', '250000 100000\n'],
    ['/sys/fs/cgroup/kubepods/pod1/container/cpu.max', 'max 100000\n'],
  ]);
  expect(cpuQuotas((file) => files.get(file))).toEqual([8, 3]);
});

test('a container with a group of its own sees its limit at the root, and a machine without cgroup v2 none', () => {
  const files = new Map([
    ['/proc/self/cgroup', '0::/\n'],
    ['/sys/fs/cgroup/cpu.max', '200000 100000\n'],
  ]);
  expect(cpuQuotas((file) => files.get(file))).toEqual([2]);
  expect(cpuQuotas(() => undefined)).toEqual([]);
  expect(usableProcessors()).toBeGreaterThanOrEqual(1);
});

test('a number is taken as it is; auto is the processors, as far as the bodies have room', () => {
  const warn = vi.fn<(fields: object, message: string) => void>();
  expect(workerCount(configOf('{}'), 8, { warn })).toBe(1);
  expect(workerCount(configOf('{workers: 3}'), 8, { warn })).toBe(3);
  expect(workerCount(configOf('{workers: auto}'), 8, { warn })).toBe(8);
  expect(warn).not.toHaveBeenCalled();
  expect(workerCount(configOf('{workers: auto}', '{max_inflight_bytes: 50MiB}'), 8, { warn })).toBe(5);
  expect(warn).toHaveBeenCalledWith({ workers: 5, processors: 8 }, expect.stringContaining('max_inflight_bytes'));
});
