// The near end of the bench: sends prepared requests over raw sockets and records what each one's answer took.
// Closed loop: a connection sends its next request when the one ahead is answered. Fixed rate: requests fall due by
// the clock, and one that must wait for a free connection counts from when it was due, not from when it was written.
import { readBodyFile, type StoredBody } from '../bodies/body-file.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadConnection } from './load-connection.ts';
import { loadCommand, loadOptions, type LoadCommand, type LoadOptions, type LoadResult } from './messages.ts';

type Prepared = { readonly request: Buffer; readonly samples: number };
type Lane = {
  readonly connection: LoadConnection;
  readonly prepared: readonly Prepared[];
  turn: number;
  sentAt: number;
};

const PAUSE_AFTER_FAILURE_MS = 50;
const TICK_MS = 1;
/** The wait for answers after the last request was sent: above Prometheus's own 30 s no sender would still wait. */
const LAST_ANSWER_MS = 30_000;

export function prepareRequest(options: Pick<LoadOptions, 'port' | 'path'>, body: StoredBody): Prepared {
  const head =
    `POST ${options.path} HTTP/1.1\r\nHost: 127.0.0.1:${options.port}\r\nUser-Agent: Prometheus/3.5.3\r\n` +
    `Content-Length: ${body.bytes.length}\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n` +
    'X-Prometheus-Remote-Write-Version: 0.1.0\r\n\r\n';
  return { request: Buffer.concat([Buffer.from(head), body.bytes]), samples: body.samples };
}

export class Load {
  readonly #lanes = new Map<LoadConnection, Lane>();

  constructor(options: LoadOptions) {
    for (const bodies of readBodyFile(options.bodyFile)) {
      const prepared = bodies.map((body) => prepareRequest(options, body));
      const connection = new LoadConnection(options, (answered, status) => this.#onAnswer(answered, status));
      this.#lanes.set(connection, { connection, prepared, turn: 0, sentAt: 0 });
    }
  }

  get connections(): number {
    return this.#lanes.size;
  }

  #onAnswer: (connection: LoadConnection, status: number) => void = () => {};

  /** Runs for the given time and then until the last answer; one run at a time. */
  async run(command: LoadCommand): Promise<LoadResult> {
    const latencies = new LatencyHistogram();
    const failed: Record<string, number> = {};
    const total = { requests: 0, samples: 0, bodyBytes: 0 };
    const idle = [...this.#lanes.values()];
    const due: number[] = []; // fixed rate: when each request that waits for a connection fell due
    let inFlight = 0;
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    const endsAt = startedAt + command.durationMs;
    const { promise: finished, resolve: finish } = Promise.withResolvers<undefined>();

    const send = (lane: Lane, dueAt: number): void => {
      const next = lane.prepared[lane.turn % lane.prepared.length];
      if (next === undefined) throw new Error('a connection without bodies');
      lane.sentAt = dueAt;
      inFlight += 1;
      lane.connection.send(next.request);
    };
    const takeNext = (lane: Lane): void => {
      const now = performance.now();
      if (command.ratePerSecond === undefined) {
        if (now < endsAt) return send(lane, now);
      } else {
        const dueAt = due.shift();
        if (dueAt !== undefined) return send(lane, dueAt);
        idle.push(lane);
        return; // the clock ends a run of a fixed rate
      }
      if (inFlight === 0) finish(undefined);
    };
    this.#onAnswer = (connection, status) => {
      const lane = this.#lanes.get(connection);
      const answered = lane?.prepared[lane.turn % lane.prepared.length];
      if (lane === undefined || answered === undefined) throw new Error('an answer on an unknown connection');
      inFlight -= 1;
      if (status >= 200 && status < 300) {
        latencies.record(performance.now() - lane.sentAt);
        total.requests += 1;
        total.samples += answered.samples;
        total.bodyBytes += answered.request.length;
        lane.turn += 1;
        takeNext(lane);
      } else {
        failed[status] = (failed[status] ?? 0) + 1;
        setTimeout(takeNext, PAUSE_AFTER_FAILURE_MS, lane);
      }
    };

    const deadline = setTimeout(finish, command.durationMs + LAST_ANSWER_MS, undefined);
    const clock = this.#start(command, {
      startedAt,
      endsAt,
      idle,
      due,
      send,
      finishIfDone: () => inFlight === 0 && finish(undefined),
    });
    await finished;
    const elapsedMs = performance.now() - startedAt;
    clearTimeout(deadline);
    clearInterval(clock);
    if (inFlight > 0) {
      failed['unanswered'] = inFlight;
      this.close();
    }
    this.#onAnswer = () => {};
    const cpu = process.cpuUsage(cpuBefore);
    return {
      ...total,
      failed,
      elapsedMs,
      latencyMs: {
        p50: latencies.percentileMs(0.5),
        p99: latencies.percentileMs(0.99),
        p999: latencies.percentileMs(0.999),
      },
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
    };
  }

  close(): void {
    for (const connection of this.#lanes.keys()) connection.close();
  }

  /** Closed loop: sends on every connection at once. Fixed rate: a clock that sends what has fallen due since its last tick. */
  #start(command: LoadCommand, run: FixedRateRun): NodeJS.Timeout | undefined {
    if (command.ratePerSecond === undefined) {
      for (const lane of run.idle.splice(0)) run.send(lane, performance.now());
      return undefined;
    }
    const perMs = command.ratePerSecond / 1000;
    let sent = 0;
    return setInterval(() => {
      const now = performance.now();
      const shouldHaveSent = Math.round((Math.min(now, run.endsAt) - run.startedAt) * perMs);
      for (; sent < shouldHaveSent; sent += 1) {
        const lane = run.idle.shift();
        if (lane === undefined) run.due.push(now);
        else run.send(lane, now);
      }
      if (now >= run.endsAt && run.due.length === 0) run.finishIfDone();
    }, TICK_MS);
  }
}

type FixedRateRun = {
  readonly startedAt: number;
  readonly endsAt: number;
  readonly idle: Lane[];
  readonly due: number[];
  readonly send: (lane: Lane, dueAt: number) => void;
  readonly finishIfDone: () => void;
};

if (import.meta.main) {
  const load = new Load(loadOptions.parse(JSON.parse(process.argv[2] ?? '{}')));
  process.on('message', (command) => {
    void load.run(loadCommand.parse(command)).then((result) => process.send?.(result));
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ connections: load.connections });
}
