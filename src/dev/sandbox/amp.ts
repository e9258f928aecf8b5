/**
 * The stand-in for a workspace of Amazon Managed Service for Prometheus: remote_write, and the simplest queries.
 *
 * A write passes: path -> signature -> size -> content headers -> decode -> ingest. A request that fails a step gets
 * AMP's answer: JSON from the front that checks signatures, plain text from the Cortex behind it. Where AWS documents
 * no text (413, 404 of a path) the words are ours.
 */
import { randomUUID } from 'node:crypto';
import type { Backend } from './backend.ts';
import type { SandboxClock } from './clock.ts';
import type { KnownKeys } from './credentials.ts';
import type { FaultPlan } from './faults.ts';
import type { Ingester } from './ingest.ts';
import type { Ledger, RequestFacts } from './ledger.ts';
import type { Answer, Exchange, Handler } from './listener.ts';
import { answerQuery } from './query.ts';
import type { AmpRules } from './rules.ts';
import type { SampleStore } from './store.ts';
import { formatLabels } from './store.ts';
import type { ReceivedRequest } from './verify-signature.ts';
import { verifySignature } from './verify-signature.ts';
import type { DecodedWriteRequest } from './write-request.ts';
import { decodeWriteRequest, MalformedBodyError } from './write-request.ts';

const MAX_REMEMBERED_KEYS = 200_000;

export interface AmpParts {
  readonly region: string;
  readonly workspaceId: string;
  readonly rules: AmpRules;
  readonly keys: KnownKeys;
  readonly clock: SandboxClock;
  readonly store: SampleStore;
  readonly ingester: Ingester;
  readonly ledger: Ledger;
  /** Answers queries in the place of the sandbox's own few, and takes what is written. */
  readonly backend: Backend | undefined;
}

export class AmpHandler implements Handler {
  readonly #parts: AmpParts;
  /** Lets a label fault, the ingester and the log share one decoding. */
  #decoded = new WeakMap<Buffer, DecodedWriteRequest>();
  #facts = new WeakMap<DecodedWriteRequest, RequestFacts>();
  /** Keeps one string per series, so that the log of requests holds references only. */
  #keys = new Map<string, string>();

  constructor(parts: AmpParts) {
    this.#parts = parts;
  }

  async handle(request: ReceivedRequest, _plan: FaultPlan): Promise<Answer> {
    const [path = ''] = request.target.split('?', 1);
    const workspace = `/workspaces/${this.#parts.workspaceId}`;
    const api = `${workspace}/api/v1/`;
    if (path.startsWith(`${workspace}/alertmanager/`)) {
      const refusal = await this.#checkSignature(request);
      return refusal ?? (await this.#parts.backend?.tryAsk(request, workspace)) ?? unknownOperation();
    }
    if (!path.startsWith(api)) {
      const message = path.startsWith('/workspaces/') ? 'Workspace not found' : 'Not Found';
      return json(404, 'ResourceNotFoundException', { Message: message });
    }
    const operation = path.slice(api.length);
    const isWrite = operation === 'remote_write';
    if (isWrite && request.method !== 'POST') return unknownOperation();
    const refusal = await this.#checkSignature(request);
    if (refusal !== undefined) return refusal;
    if (isWrite) {
      const answer = this.#write(request);
      if (answer.status === 200) await this.#parts.backend?.write(request);
      return answer;
    }
    const asked = await this.#parts.backend?.tryAsk(request, workspace);
    if (asked !== undefined) return asked;
    const answer = answerQuery(operation, parametersOf(request), this.#parts.store, this.#parts.clock.nowMs());
    if (answer === undefined) return unknownOperation();
    return json(answer.status, undefined, answer.body);
  }

  hasLabel({ body }: ReceivedRequest, name: string, value: string): boolean {
    const { timeseries = [] } = this.#tryDecode(body) ?? {};
    return timeseries.some(({ labels }) => labels.some((label) => label.name === name && label.value === value));
  }

  onExchange({ request, status, fault }: Exchange): void {
    if (!request.target.includes('remote_write')) return;
    const decoded = this.#decoded.get(request.body);
    this.#parts.ledger.noteWriteRequest(
      {
        time: new Date(this.#parts.clock.nowMs()).toISOString(),
        path: request.target,
        status: status ?? null,
        fault: fault ?? null,
        bytes: request.body.length,
        headers: request.headers,
      },
      decoded === undefined ? undefined : this.#factsOf(decoded),
    );
  }

  async #checkSignature(request: ReceivedRequest): Promise<Answer | undefined> {
    const { rules, region, keys, clock, ledger } = this.#parts;
    if (!rules.verifySignatures) return undefined;
    const { maxClockSkewMs } = rules;
    const verdict = await verifySignature(request, keys, clock, { region, service: 'aps', maxClockSkewMs });
    if (verdict.ok) return undefined;
    ledger.noteSignatureFailure(verdict.fault);
    return json(403, verdict.errorType, { message: verdict.message });
  }

  #write(request: ReceivedRequest): Answer {
    const { rules, ingester, ledger } = this.#parts;
    const { body, headers } = request;
    if (rules.maxRequestBytes > 0 && body.length > rules.maxRequestBytes) {
      const message = `Request size ${body.length} exceeds the maximum of ${rules.maxRequestBytes} bytes`;
      return json(413, 'RequestEntityTooLargeException', { message });
    }
    const contentFault = rules.checkContentHeaders ? findContentFault(headers) : undefined;
    if (contentFault !== undefined) return text(415, contentFault);
    try {
      const decoded = this.#decode(body);
      const facts = this.#factsOf(decoded);
      ledger.noteReceived(facts);
      const result = ingester.ingest(decoded);
      ledger.noteIngested(result, facts);
      return result.status === 200 ? text(200, '') : text(result.status, result.message);
    } catch (error) {
      if (error instanceof MalformedBodyError) return text(400, error.message);
      throw error;
    }
  }

  #decode(body: Buffer): DecodedWriteRequest {
    const known = this.#decoded.get(body);
    if (known !== undefined) return known;
    const decoded = decodeWriteRequest(body);
    this.#decoded.set(body, decoded);
    return decoded;
  }

  #factsOf(decoded: DecodedWriteRequest): RequestFacts {
    const known = this.#facts.get(decoded);
    if (known !== undefined) return known;
    const { timeseries, metadata } = decoded;
    let [samples, histograms, exemplars] = [0, 0, 0];
    for (const series of timeseries) {
      samples += series.samples.length;
      histograms += series.histograms.length;
      exemplars += series.exemplars.length;
    }
    const seriesKeys = timeseries.map(({ labels }) => this.#ensureKey(formatLabels(labels)));
    const facts = { samples, histograms, exemplars, metadata: metadata.length, seriesKeys };
    this.#facts.set(decoded, facts);
    return facts;
  }

  #ensureKey(key: string): string {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    if (this.#keys.size >= MAX_REMEMBERED_KEYS) this.#keys.clear();
    this.#keys.set(key, key);
    return key;
  }

  #tryDecode(body: Buffer): DecodedWriteRequest | undefined {
    try {
      return this.#decode(body);
    } catch {
      return undefined;
    }
  }
}

function findContentFault(headers: Readonly<Record<string, string>>): string | undefined {
  const [type = '', ...parameters] = (headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  if (type !== 'application/x-protobuf') return `unsupported media type: ${type}`;
  const proto = parameters.find((parameter) => parameter.startsWith('proto='))?.slice('proto='.length);
  if (proto !== undefined && proto !== 'prometheus.writerequest') return `unsupported media type: proto=${proto}`;
  const encoding = headers['content-encoding'] ?? '';
  return encoding === 'snappy' ? undefined : `unsupported content encoding: ${encoding}`;
}

/** Reads the parameters of the query string and, for a POST, of the form in the body. */
function parametersOf({ target, method, body }: ReceivedRequest): URLSearchParams {
  const parameters = new URL(target, 'http://sandbox.invalid').searchParams;
  if (method === 'POST')
    for (const [name, value] of new URLSearchParams(body.toString())) parameters.append(name, value);
  return parameters;
}

function unknownOperation(): Answer {
  return json(404, 'UnknownOperationException', { message: 'Not Found' });
}

function json(status: number, errorType: string | undefined, body: unknown): Answer {
  const headers: Record<string, string> = { 'content-type': 'application/json', ...requestHeaders() };
  if (errorType !== undefined) headers['x-amzn-errortype'] = errorType;
  return { status, headers, body: JSON.stringify(body) };
}

/** Cortex's errors are text with a line end, as an answer of AMP shows in vectordotdev/vector#12958. */
function text(status: number, message: string): Answer {
  if (message === '') return { status, headers: requestHeaders(), body: '' };
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    ...requestHeaders(),
  };
  return { status, headers, body: `${message}\n` };
}

function requestHeaders(): Record<string, string> {
  return { server: 'amazon', 'x-amzn-requestid': randomUUID() };
}
