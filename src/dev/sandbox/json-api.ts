/** A small HTTP server that speaks JSON, on loopback. The stand-ins of AWS control planes share it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';

import type { JsonObject } from './json-object.ts';
import { isJsonObject } from './json-object.ts';
import { portOf } from './listener.ts';

export interface ApiRequest {
  readonly method: string;
  /** Segments of the path, decoded. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: JsonObject;
  readonly target: string;
  readonly rawBody: Buffer;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface ApiServer {
  readonly url: string;
  /** `METHOD /path` of every request so far, in order. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

/** Errors of AWS's REST-JSON services: the code in the body and in a header. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @param handle throws ApiError; answers undefined with 404 */
export async function startApi(
  handle: (request: ApiRequest) => ApiAnswer | undefined | Promise<ApiAnswer | undefined>,
): Promise<ApiServer> {
  const calls: string[] = [];
  const server = createServer((incoming, response) => {
    calls.push(`${incoming.method} ${incoming.url}`);
    void respond(incoming, response, handle);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The service of the credential scope, `grafana`; undefined of a request that is not signed. */
export function signedServiceOf({ headers }: ApiRequest): string | undefined {
  return /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\/aws4_request/u.exec(String(headers['authorization']))?.[1];
}

export function textOf(body: JsonObject, key: string): string {
  const value = body[key];
  if (typeof value === 'string' && value !== '') return value;
  throw new ApiError(400, 'ValidationException', `${key} must be given`);
}

export function tagsOf(value: unknown): Record<string, string> {
  if (!isJsonObject(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, tag]) => [key, String(tag)]));
}

async function respond(
  incoming: IncomingMessage,
  response: ServerResponse,
  handle: (request: ApiRequest) => ApiAnswer | undefined | Promise<ApiAnswer | undefined>,
): Promise<void> {
  try {
    const answer = await handle(await readRequest(incoming));
    write(response, answer ?? { status: 404, body: { message: `no ${incoming.method} ${incoming.url}` } });
  } catch (error) {
    const { status, code, message } =
      error instanceof ApiError ? error : new ApiError(500, 'InternalServerException', String(error));
    response.setHeader('x-amzn-errortype', code);
    write(response, { status, body: { __type: code, message } });
  }
}

async function readRequest(incoming: IncomingMessage): Promise<ApiRequest> {
  const chunks: Buffer[] = [];
  // An IncomingMessage without an encoding yields Buffers.
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const rawBody = Buffer.concat(chunks);
  const url = new URL(incoming.url ?? '/', 'http://sandbox.invalid');
  const type = incoming.headers['content-type'] ?? '';
  const content: unknown = rawBody.length > 0 && type.includes('json') ? JSON.parse(rawBody.toString()) : {};
  return {
    method: incoming.method ?? '',
    path: url.pathname.split('/').filter(Boolean).map(decodeURIComponent),
    query: url.searchParams,
    headers: incoming.headers,
    body: isJsonObject(content) ? content : {},
    target: incoming.url ?? '/',
    rawBody,
  };
}

function write(response: ServerResponse, { status, body }: ApiAnswer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
