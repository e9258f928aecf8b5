/**
 * One query on its way: signed, sent, tried again where that is safe, and its answer passed on.
 *
 *     sign -> send -> 2xx                  passed on
 *                  -> 401, 403             fresh credentials and clock, once
 *                  -> broken, 503          once more, if asking twice does no harm
 *                  -> other errors         AMP's own are passed on, others are explained
 *
 * Nothing is tried again once a byte has been passed on.
 */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { redact } from '../outcome/redact.ts';
import { headerOf, passOn, type PassedOn } from './answer.ts';
import { answerFailure, explainBreak, explainError, type ExplainedError, type QueryFailure } from './failure.ts';
import type { QueryEntry } from './query-entry.ts';
import { formatQueryString, type Parameters } from './query-string.ts';

export interface Query {
  readonly entry: QueryEntry;
  readonly method: string;
  /** Below the URL of the workspace, percent-encoded. */
  readonly path: string;
  readonly action: string;
  readonly parameters: Parameters;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  /** Asking twice does no harm. */
  readonly isRepeatable: boolean;
}

export interface ForwardDeps {
  /** query.max_response_bytes */
  readonly maxResponseBytes: number;
  readonly random: () => number;
  readonly log: { warn(fields: object, message: string): void };
}

/** After a 503: 50 to 250 ms, so that readers that were refused together do not come back together. */
const SHORT_WAIT_MS = 50;
const WAIT_RANGE_MS = 200;
/** The bytes of an error that are read before its treatment is decided. AMP's errors are shorter. */
const ERROR_BYTES = 64 * 1024;

export class ForwardedQuery {
  readonly #query: Query;
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  readonly #deps: ForwardDeps;
  #refreshed = false;
  #repeated = false;

  constructor(query: Query, response: ServerResponse, signal: AbortSignal, deps: ForwardDeps) {
    this.#query = query;
    this.#response = response;
    this.#signal = signal;
    this.#deps = deps;
  }

  /**
   * Answers the reader. Rejects when the signal ends it, and when an answer cannot be passed on to its end.
   * @param passed is counted in as it goes
   */
  async run(passed: PassedOn): Promise<void> {
    for (;;) {
      const { credentials } = this.#query.entry;
      const identity = credentials.tryCurrent();
      if (identity === undefined) return this.#fail(noCredentials(credentials.lastError));
      const answer = await this.#tryAttempt(identity);
      if (answer === undefined) continue;
      if (!('statusCode' in answer)) return this.#fail(answer);
      if (answer.statusCode < 300 && !isPage(answer)) {
        return passOn(answer, [], this.#response, this.#deps.maxResponseBytes, passed);
      }
      const start = await this.#tryReadStart(answer);
      if (start === undefined) continue;
      if (!Array.isArray(start)) return this.#fail(start);
      const explained = this.#explain(answer, Buffer.concat(start));
      if (await this.#mayRetry(explained, answer)) {
        answer.body.destroy();
        continue;
      }
      if (explained.failure === undefined) {
        return passOn(answer, start, this.#response, this.#deps.maxResponseBytes, passed);
      }
      answer.body.destroy();
      return this.#fail(explained.failure);
    }
  }

  /** @returns undefined to try again */
  async #tryAttempt(
    identity: NonNullable<ReturnType<QueryEntry['credentials']['tryCurrent']>>,
  ): Promise<Dispatcher.ResponseData | QueryFailure | undefined> {
    const { entry, method, path, parameters, headers, body } = this.#query;
    const signedPath = `${entry.basePath}${path}`;
    const unsigned = { method, path: signedPath, parameters, headers, body };
    const signed = await entry.signer.sign(unsigned, identity, entry.clock.now());
    const request = { method, path: signedPath, queryString: formatQueryString(parameters), headers: signed, body };
    try {
      return await entry.upstream.send(request, this.#signal);
    } catch (error) {
      return this.#broken(error);
    }
  }

  /** @returns undefined to try again */
  async #tryReadStart(answer: Dispatcher.ResponseData): Promise<Buffer[] | QueryFailure | undefined> {
    try {
      return await readStart(answer, ERROR_BYTES);
    } catch (error) {
      return this.#broken(error);
    }
  }

  /** @returns undefined to try again; throws where the signal has ended the query */
  #broken(error: unknown): QueryFailure | undefined {
    this.#signal.throwIfAborted();
    const { failure, isReset } = explainBreak(error);
    if (!isReset || this.#repeated || !this.#query.isRepeatable) return failure;
    this.#repeated = true;
    return undefined;
  }

  #explain(answer: Dispatcher.ResponseData, body: Buffer): ExplainedError {
    const { entry, action } = this.#query;
    return explainError(
      {
        status: answer.statusCode,
        contentEncoding: headerOf(answer, 'content-encoding'),
        errorType: headerOf(answer, 'x-amzn-errortype'),
        retryAfter: headerOf(answer, 'retry-after'),
        body,
      },
      { action, workspace: entry.workspaceId ?? entry.name },
    );
  }

  async #mayRetry({ retry, failure }: ExplainedError, answer: Dispatcher.ResponseData): Promise<boolean> {
    const { entry, isRepeatable } = this.#query;
    if (retry === 'authentication' && !this.#refreshed) {
      this.#refreshed = true;
      const message = 'the upstream refused the signature of a query; refreshing credentials and clock';
      this.#deps.log.warn({ remote_name: entry.name, answer: failure?.message }, message);
      const corrected = entry.clock.correct(headerOf(answer, 'date'));
      const refreshed = entry.credentials.refreshRefused();
      // Where the clock was the cause, most likely, new credentials need not be waited for.
      if (!corrected) await refreshed;
      this.#signal.throwIfAborted();
      return true;
    }
    const isSoon = Number(headerOf(answer, 'retry-after') ?? 0) <= 1;
    if (retry !== 'busy' || this.#repeated || !isRepeatable || !isSoon) return false;
    this.#repeated = true;
    await sleep(SHORT_WAIT_MS + WAIT_RANGE_MS * this.#deps.random(), undefined, { signal: this.#signal });
    return true;
  }

  #fail(failure: QueryFailure): void {
    const { entry, path } = this.#query;
    this.#deps.log.warn({ remote_name: entry.name, path, status: failure.status, error: failure.message }, FAILED);
    answerFailure(this.#response, failure);
  }
}

const FAILED = 'a query failed';

function noCredentials(lastError: string): QueryFailure {
  return {
    status: 503,
    errorType: 'unavailable',
    message: `the proxy has no AWS credentials to sign with: ${redact(lastError)}`,
    headers: { 'retry-after': 5 },
  };
}

function isPage(answer: Dispatcher.ResponseData): boolean {
  return /^\s*text\/html\b/i.test(headerOf(answer, 'content-type') ?? '');
}

/** The chunks of a body up to its end, or until there are so many bytes. The rest stays to be read. */
async function readStart({ body }: Dispatcher.ResponseData, bytes: number): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  let read = 0;
  const iterator: AsyncIterator<Buffer> = body.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  while (read < bytes) {
    const { value, done = false } = await iterator.next();
    if (done) return chunks;
    chunks.push(value);
    read += value.length;
  }
  await iterator.return?.();
  return chunks;
}
