// The label sets of a Kubernetes cluster as prometheus-operator scrapes it: node-exporter and cAdvisor on each node,
// then kube-state-metrics' view of the pods there. A request's series come in the order of the scrape, as in reality.
import type { Label } from './write-request.ts';

export type ScrapedSeries = { readonly labels: readonly Label[]; readonly integral: boolean };

type Family = { readonly name: string; readonly integral: boolean; readonly sets: readonly (readonly Label[])[] };

/** Series without end, node after node from `firstInstance`; `cluster` is the sender's external label. */
export function* scrapedSeries(cluster: string, firstInstance: number): Generator<ScrapedSeries> {
  for (let instance = firstInstance; ; instance += 1) {
    yield* nodeSeries(cluster, instance);
    yield* containerSeries(cluster, instance);
    yield* podSeries(cluster, instance);
  }
}

const MODES = ['idle', 'iowait', 'irq', 'nice', 'softirq', 'steal', 'system', 'user'];
const DISKS = ['nvme0n1', 'nvme1n1'];
const INTERFACES = ['eth0', 'eth1', 'cni0', 'lo'];
const MOUNTS = ['/', '/boot/efi', '/var/lib/containerd', '/var/lib/kubelet'];

function family(name: string, integral: boolean, sets: readonly (readonly Label[])[]): Family {
  return { name, integral, sets };
}

const NODE_FAMILIES: readonly Family[] = [
  family(
    'node_cpu_seconds_total',
    false,
    Array.from({ length: 8 }, (_, cpu) =>
      MODES.map((mode): Label[] => [
        ['cpu', String(cpu)],
        ['mode', mode],
      ]),
    ).flat(),
  ),
  ...[
    'reads_completed_total',
    'writes_completed_total',
    'read_bytes_total',
    'written_bytes_total',
    'io_time_seconds_total',
  ].map((name) =>
    family(
      `node_disk_${name}`,
      !name.includes('seconds'),
      DISKS.map((device): Label[] => [['device', device]]),
    ),
  ),
  ...['avail_bytes', 'free_bytes', 'size_bytes', 'files', 'files_free', 'readonly'].map((name) =>
    family(
      `node_filesystem_${name}`,
      true,
      MOUNTS.map((mount): Label[] => [
        ['device', '/dev/nvme0n1p1'],
        ['fstype', 'ext4'],
        ['mountpoint', mount],
      ]),
    ),
  ),
  ...[
    'MemAvailable',
    'MemFree',
    'MemTotal',
    'Buffers',
    'Cached',
    'SwapFree',
    'Active',
    'Inactive',
    'Dirty',
    'Slab',
  ].map((name) => family(`node_memory_${name}_bytes`, true, [[]])),
  ...['receive_bytes', 'receive_errs', 'receive_drop', 'transmit_bytes', 'transmit_errs', 'transmit_drop'].map((name) =>
    family(
      `node_network_${name}_total`,
      true,
      INTERFACES.map((device): Label[] => [['device', device]]),
    ),
  ),
  ...['load1', 'load5', 'load15', 'procs_running', 'procs_blocked', 'filefd_allocated', 'context_switches_total'].map(
    (name) => family(`node_${name}`, name !== 'load1' && name !== 'load5' && name !== 'load15', [[]]),
  ),
];

function* nodeSeries(cluster: string, instance: number): Generator<ScrapedSeries> {
  const target: Label[] = [
    ['cluster', cluster],
    ['container', 'node-exporter'],
    ['endpoint', 'http-metrics'],
    ['instance', `${address(instance)}:9100`],
    ['job', 'node-exporter'],
    ['namespace', 'monitoring'],
    ['pod', `prometheus-node-exporter-${suffix(instance, 5)}`],
  ];
  for (const { name, integral, sets } of NODE_FAMILIES) {
    for (const set of sets) yield { labels: sorted([['__name__', name], ...target, ...set]), integral };
  }
}

const PODS_PER_NODE = 40;
const WORKLOADS = ['checkout', 'cart', 'payments', 'catalog', 'frontend', 'search', 'inventory', 'shipping'];

function* containerSeries(cluster: string, instance: number): Generator<ScrapedSeries> {
  for (const name of ['container_cpu_usage_seconds_total', 'container_memory_working_set_bytes']) {
    for (let pod = 0; pod < PODS_PER_NODE; pod += 1) {
      const workload = WORKLOADS[pod % WORKLOADS.length] ?? '';
      const seed = instance * PODS_PER_NODE + pod;
      const labels: Label[] = [
        ['__name__', name],
        ['cluster', cluster],
        ['container', workload],
        ['id', `/kubepods.slice/kubepods-pod${uid(seed)}.slice/cri-${suffix(seed, 40)}.scope`],
        ['instance', `${address(instance)}:10250`],
        ['job', 'kubelet'],
        ['namespace', `team-${workload}`],
        ['pod', podName(instance, pod, workload)],
      ];
      yield { labels: sorted(labels), integral: name.includes('bytes') };
    }
  }
}

function* podSeries(cluster: string, instance: number): Generator<ScrapedSeries> {
  const target: Label[] = [
    ['cluster', cluster],
    ['endpoint', 'http'],
    ['instance', `${address(0)}:8080`],
    ['job', 'kube-state-metrics'],
  ];
  for (const name of ['kube_pod_container_status_ready', 'kube_pod_container_status_restarts_total', 'kube_pod_info']) {
    for (let pod = 0; pod < PODS_PER_NODE; pod += 1) {
      const workload = WORKLOADS[pod % WORKLOADS.length] ?? '';
      const labels: Label[] = [
        ['__name__', name],
        ...target,
        ['container', workload],
        ['namespace', `team-${workload}`],
        ['node', nodeName(instance)],
        ['pod', podName(instance, pod, workload)],
        ['uid', uid(instance * PODS_PER_NODE + pod)],
      ];
      yield { labels: sorted(labels), integral: true };
    }
  }
}

function podName(instance: number, pod: number, workload: string): string {
  return `${workload}-${suffix(instance * 7 + (pod % 3), 10)}-${suffix(instance * 31 + pod, 5)}`;
}

function sorted(labels: Label[]): Label[] {
  return labels.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function address(instance: number): string {
  return `10.${(instance >> 16) & 255}.${(instance >> 8) & 255}.${instance & 255}`;
}

function nodeName(instance: number): string {
  return `ip-${address(instance).replaceAll('.', '-')}.eu-central-1.compute.internal`;
}

/** Letters and digits as Kubernetes appends them to names: alike in length, different in each place. */
function suffix(seed: number, length: number): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  let text = '';
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += alphabet[(state >>> 8) % alphabet.length] ?? '';
  }
  return text;
}

function uid(seed: number): string {
  const digits = [1, 2, 3, 4]
    .map((part) => (Math.imul(seed * 4 + part, 2246822519) >>> 0).toString(16).padStart(8, '0'))
    .join('');
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
}
