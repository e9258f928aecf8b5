/** One attempt: joins payloads into a body, signs it, posts it, and classifies the answer. */
import type { BufferPool, Lease } from '../memory/buffer-pool.ts';
import { joinBodies } from '../codec/snappy/join.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import { classify, responseCode } from '../outcome/classify.ts';
import { redact } from '../outcome/redact.ts';
import type { UpstreamAnswer, Verdict } from '../outcome/outcome.ts';
import type { UpstreamClock } from '../aws/clock.ts';
import type { Credentials } from '../aws/credentials.ts';
import type { RemoteWriteSigner } from '../aws/sigv4.ts';
import { countSent, type HeldMemory, type Payload } from './payload.ts';

export interface SignedPostDeps {
  readonly post: (headers: string[], body: Buffer) => Promise<UpstreamAnswer>;
  readonly signer: RemoteWriteSigner;
  readonly credentials: Credentials;
  readonly clock: UpstreamClock;
  /** The pool for the memory of joined bodies. */
  readonly pool: BufferPool;
  readonly memory: HeldMemory;
  readonly metrics: DestinationMetrics;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
}

export interface Attempted {
  readonly verdict: Verdict;
  /** The `Date` header of the answer. */
  readonly date: string | undefined;
}

export class SignedPost {
  readonly #deps: SignedPostDeps;

  constructor(deps: SignedPostDeps) {
    this.#deps = deps;
  }

  /** Never rejects because of the upstream. The payloads are no longer read once it has resolved. */
  async send(payloads: readonly Payload[]): Promise<Attempted> {
    const { credentials, signer, clock, post, metrics, nowMs, pool, memory } = this.#deps;
    const identity = credentials.tryCurrent();
    if (identity === undefined) {
      metrics.countResponse('no_credentials');
      return { verdict: noCredentials(credentials.lastError), date: undefined };
    }
    let lease: Lease | undefined;
    let answer: UpstreamAnswer;
    let startedAtMs;
    try {
      const body = joinBodies(payloads, (bytes) => {
        lease = pool.take(bytes);
        memory.hold(lease.buffer.length);
        return lease.buffer;
      });
      const headers = signer.sign(body, identity, clock.now());
      startedAtMs = nowMs();
      countSent(metrics, payloads, body.length);
      answer = await post(headers, body);
      // An internal error may have left the body in use; then it is not released but merely garbage-collected.
      lease?.release();
    } finally {
      if (lease !== undefined) memory.hold(-lease.buffer.length);
    }
    metrics.observeAttempt(nowMs() - startedAtMs);
    metrics.countResponse(responseCode(answer));
    return { verdict: classify(answer, Date.now()), date: answer.kind === 'answered' ? answer.date : undefined };
  }
}

function noCredentials(lastError: string): Verdict {
  return {
    kind: 'retry',
    code: 'no_credentials',
    throttle: undefined,
    down: true,
    mayLieInData: false,
    retryAfterMs: undefined,
    message: `no AWS credentials: ${redact(lastError)}`,
  };
}
