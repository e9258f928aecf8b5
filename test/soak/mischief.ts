/** The faults that the soak injects: one at a time, each for a while, chosen at random from the seed. */
import type { SandboxClient } from '../../src/dev/sandbox/client.ts';
import type { FaultSpec } from '../../src/dev/sandbox/faults.ts';
import { sleep } from '../support/processes.ts';
import type { Random } from './random.ts';

export interface Victim {
  readonly client: SandboxClient;
  /** `kill -9`, or SIGTERM, and a new process on the same port. */
  restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** A new token in the file, as the kubelet writes one. */
  rotateToken(): Promise<void>;
  /** The clock of AWS and of the cluster, which issues a new token by it; this machine's stays behind or ahead. */
  moveClock(offsetMs: number): Promise<void>;
  /** The sender that may be told 400. */
  readonly badSender: string;
}

export interface Mischief {
  readonly name: string;
  readonly play: (victim: Victim, random: Random) => Promise<void>;
}

/** Without 413, which for every size is in the end told to the sender: see `AMP takes less at once`. */
const STATUSES = [500, 502, 503, 429, 408, 403, 404, 302] as const;

const FAULTS: readonly [FaultSpec, ...FaultSpec[]] = [
  { action: { kind: 'status', status: 429, retryAfter: 1 }, probability: 0.5 },
  { action: { kind: 'status', status: 503, retryAfter: 'date:2' }, probability: 0.5 },
  { action: { kind: 'hang' }, probability: 0.3 },
  { action: { kind: 'hang', at: 'before-body' }, probability: 0.3 },
  { action: { kind: 'drip', intervalMs: 20 }, probability: 0.5 },
  { action: { kind: 'reset', at: 'before-body' } },
  { action: { kind: 'reset', at: 'during-body' } },
  { action: { kind: 'reset', at: 'after-body' }, apply: true },
  { action: { kind: 'reset', at: 'during-response' } },
  { action: { kind: 'truncate' } },
  { action: { kind: 'garbage' } },
  { action: { kind: 'close-idle', afterMs: 5 } },
  { action: { kind: 'delay', ms: 150 } },
  { action: { kind: 'down' } },
];

const CHOICES: readonly [Mischief, ...Mischief[]] = [
  { name: 'kill -9', play: async (victim) => victim.restart('SIGKILL') },
  {
    name: 'kill -9, and again',
    play: async (victim, random) => {
      await victim.restart('SIGKILL');
      await sleep(random.between(0, 300));
      await victim.restart('SIGKILL');
    },
  },
  { name: 'SIGTERM', play: async (victim) => victim.restart('SIGTERM') },
  {
    name: 'keys expire',
    play: async ({ client }) => {
      await client.changeCredentials({ expireTemporary: true });
    },
  },
  {
    name: 'keys are forgotten',
    play: async (victim) => {
      await victim.rotateToken();
      await victim.client.changeCredentials({ forgetTemporary: true });
    },
  },
  {
    name: 'STS is down',
    play: async ({ client }, random) => {
      await client.addFaults({ target: 'sts', action: { kind: 'down' } });
      await sleep(random.between(300, 2_000));
    },
  },
  {
    name: 'the clock jumps',
    play: async (victim, random) => {
      await victim.moveClock(random.pick([-600_000, 0, 600_000]));
    },
  },
  {
    name: '400 for one sender',
    play: async ({ client, badSender }, random) => {
      await client.addFaults({ action: { kind: 'status', status: 400 }, label: { name: 'sender', value: badSender } });
      await sleep(random.between(300, 1_500));
    },
  },
  {
    name: 'AMP takes less at once',
    play: async ({ client }, random) => {
      // One series has some 150 bytes; a request of twenty has to be cut.
      await client.changeRules({ maxRequestBytes: 300 });
      await sleep(random.between(300, 1_500));
      await client.changeRules({ maxRequestBytes: 1_000_000 });
    },
  },
  {
    name: 'an outage',
    play: async ({ client }, random) => {
      await client.addFaults({ action: { kind: 'down' } });
      await sleep(random.between(3_000, 8_000));
    },
  },
];

type Poison = readonly [name: string, fault: FaultSpec];

/** Failures of one sender's data alone. The others' are stored where AMP answers partially. */
const POISONS: readonly [Poison, ...Poison[]] = [
  [
    '429 for the series of one sender',
    {
      action: {
        kind: 'status',
        status: 429,
        body: 'user=1_ws-1: per-user series limit of 1 exceeded, please contact administrator to raise it',
      },
      apply: true,
    },
  ],
  ['429 for one sender', { action: { kind: 'status', status: 429, body: 'slow down' } }],
  ['500 for one sender', { action: { kind: 'status', status: 500 } }],
  ['a hang for one sender', { action: { kind: 'hang' } }],
];

/** The next thing to do. Most are faults of the upstream. */
export function choose(random: Random): Mischief {
  if (random.next() < 0.15) return poison(random);
  if (random.next() < 0.4) return random.pick(CHOICES);
  const isStatus = random.next() < 0.4;
  const fault: FaultSpec = isStatus
    ? { action: { kind: 'status', status: random.pick(STATUSES) }, probability: random.between(0.1, 1) }
    : random.pick(FAULTS);
  const what = fault.action.kind === 'status' ? `status ${fault.action.status}` : fault.action.kind;
  // `down` takes no probability.
  const seeded = fault.probability === undefined ? fault : { ...fault, seed: Math.floor(random.next() * 1e6) };
  return {
    name: what,
    play: async ({ client }) => {
      await client.addFaults(seeded);
      await sleep(random.between(300, 2_000));
    },
  };
}

function poison(random: Random): Mischief {
  const [name, fault] = random.pick(POISONS);
  return {
    name,
    play: async ({ client, badSender }) => {
      await client.addFaults({ ...fault, label: { name: 'sender', value: badSender } });
      // Longer than delivery_timeout, so that the sender is told and comes again.
      await sleep(random.between(3_000, 8_000));
    },
  };
}
