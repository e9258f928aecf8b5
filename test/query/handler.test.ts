import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { answer, rawConnection, readUntilClose, until } from '../support/loopback.ts';
import { SECRET, startReading } from '../support/querying.ts';

const VECTOR = '{"status":"success","data":{"resultType":"vector","result":[]}}';

async function read(url: string, init?: RequestInit): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(url, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

describe('what is passed on', () => {
  test('asks the workspace that the path names, signed with its own region, and nothing but what a query needs', async () => {
    const { url, upstream } = await startReading((_, __, response) => answer(response, 200, VECTOR));
    const headers = { 'x-scope-orgid': 'someone', cookie: 'a=b', authorization: 'Bearer reader', accept: 'text/plain' };
    for (const path of ['', '/first', '/second', '/workspaces/ws-2']) {
      expect((await read(`${url}${path}/api/v1/query?query=up`, { headers })).text).toBe(VECTOR);
    }

    expect(upstream.requests.map(({ path }) => path)).toEqual(
      ['ws-1', 'ws-1', 'ws-2', 'ws-2'].map((ws) => `/workspaces/${ws}/api/v1/query?query=up`),
    );
    expect(upstream.requests[0]?.headers['authorization']).toContain('/us-west-2/aps/aws4_request');
    expect(upstream.requests[2]?.headers['authorization']).toContain('/eu-central-1/aps/aws4_request');
    for (const { headers: sent } of upstream.requests) {
      expect(Object.keys(sent).toSorted()).toEqual([
        'accept',
        'accept-encoding',
        'authorization',
        'connection',
        'host',
        'x-amz-content-sha256',
        'x-amz-date',
      ]);
      expect(sent.accept).toBe('text/plain');
    }
  });

  test('passes on a form with its body, and an answer with status, type, encoding and Retry-After', async () => {
    const zipped = gzipSync('{"status":"error","errorType":"execution","error":"too many samples"}');
    const { url, upstream } = await startReading((_, __, response) => {
      response.writeHead(422, {
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        'retry-after': '7',
        'x-amzn-requestid': 'abc',
        'set-cookie': 'a=b',
      });
      response.end(zipped);
    });
    const body = `query=${'x'.repeat(100 * 1024)}`;
    const init = { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const { status, text, headers } = await read(`${url}/api/v1/query_range`, init);

    expect({ status, text }).toEqual({
      status: 422,
      text: '{"status":"error","errorType":"execution","error":"too many samples"}',
    });
    expect(headers.get('content-encoding')).toBe('gzip');
    expect(headers.get('retry-after')).toBe('7');
    expect(headers.get('set-cookie')).toBeNull();
    expect(upstream.requests[0]?.body.toString()).toBe(body);
  });

  test('adds the threshold of samples where the reader gives none', async () => {
    const { url, upstream } = await startReading((_, __, response) => answer(response, 200, VECTOR), {
      query: { max_samples_processed: 5000 },
    });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    await read(`${url}/api/v1/query?query=up`);
    await read(`${url}/api/v1/query?query=up&max_samples_processed_error_threshold=7`);
    await read(`${url}/api/v1/query_range`, { method: 'POST', body: 'query=up', headers: form });
    await read(`${url}/api/v1/labels`);

    expect(upstream.requests.map(({ path, body }) => `${path.replace(/.*\/v1\//, '')} ${body.toString()}`)).toEqual([
      'query?query=up&max_samples_processed_error_threshold=5000 ',
      'query?query=up&max_samples_processed_error_threshold=7 ',
      'query_range query=up&max_samples_processed_error_threshold=5000',
      'labels ',
    ]);
  });

  test('counts the samples that an answer tells of', async () => {
    const stats = '"stats":{"timings":{},"samples":{"totalQueryableSamples":1234,"peakSamples":3}}';
    const reading = await startReading((_, __, response) => answer(response, 200, `{"data":{"result":[],${stats}}}`));
    await read(`${reading.url}/api/v1/query?query=up&stats=all`);
    expect(await reading.metric('amp_write_proxy_query_samples_processed_total', { remote_name: 'first' })).toBe(1234);
  });
});

describe('what a reader is told', () => {
  test.each([
    {
      name: "AMP's 403",
      status: 403,
      body: '{"message":"User: arn:aws:sts::123456789012:assumed-role/reader/x is not authorized to perform: aps:QueryMetrics"}',
      told: 403,
      errorType: 'unavailable',
      words: ['aps:QueryMetrics', 'ws-1', 'bootstrap --query'],
    },
    {
      name: 'a wrong signature, without quoting it',
      status: 403,
      body: `{"message":"The request signature we calculated does not match the signature you provided.\\n\\nThe Canonical String for this request should have been\\n'GET\\n/x\\nx-amz-security-token:${SECRET}'"}`,
      told: 403,
      errorType: 'unavailable',
      words: ['signature'],
    },
    {
      name: 'an unknown workspace',
      status: 404,
      body: '{"Message":"Workspace not found"}',
      told: 404,
      errorType: 'not_found',
      words: ['ws-1', 'query_url'],
    },
    {
      name: 'throttling',
      status: 400,
      body: '{"__type":"ThrottlingException","message":"Rate exceeded"}',
      told: 429,
      errorType: 'unavailable',
      words: ['throttles', 'ws-1'],
    },
    {
      name: 'a page of a load balancer',
      status: 200,
      body: '<html><head><title>Welcome</title></head></html>',
      told: 502,
      errorType: 'unavailable',
      words: ['page', 'Welcome', 'query_url'],
    },
    {
      name: 'a redirect',
      status: 302,
      body: '',
      told: 502,
      errorType: 'unavailable',
      words: ['redirects'],
    },
  ])('explains $name in the form of Prometheus', async ({ status, body, told, errorType, words }) => {
    const type = body.startsWith('<') ? 'text/html' : 'application/json';
    const reading = await startReading((_, __, response) => answer(response, status, body, { 'content-type': type }));
    const { status: seen, text } = await read(`${reading.url}/api/v1/query?query=up`);

    expect(seen).toBe(told);
    const error: unknown = JSON.parse(text);
    expect(error).toMatchObject({ status: 'error', errorType });
    for (const word of words) expect(text).toContain(word);
    expect(text + reading.logged.join('\n')).not.toContain(SECRET);
    expect(await reading.metric('amp_write_proxy_query_requests_total', { code: String(told) })).toBe(1);
  });

  test.each([
    { name: 'a parse error', status: 400, body: '{"status":"error","errorType":"bad_data","error":"parse error"}' },
    { name: 'a timeout of the upstream', status: 503, body: '{"status":"error","errorType":"timeout","error":"x"}' },
    { name: 'a plain 404', status: 404, body: '404 page not found\n' },
  ])('leaves $name as it is', async ({ status, body }) => {
    const { url, upstream } = await startReading((_, __, response) => answer(response, status, body));
    expect(await read(`${url}/api/v1/query?query=up`)).toMatchObject({ status, text: body });
    expect(upstream.requests).toHaveLength(1);
  });

  test('says that no answer came, and why', async () => {
    const reading = await startReading((_, __, response) => answer(response, 200));
    await reading.upstream[Symbol.asyncDispose]();
    const { status, text } = await read(`${reading.url}/api/v1/query?query=up`);
    expect(status).toBe(502);
    expect(text).toContain('ECONNREFUSED');
    expect(JSON.parse(text)).toMatchObject({ status: 'error', errorType: 'unavailable' });
  });

  test('gives up after query.timeout', async () => {
    const reading = await startReading(() => {}, { query: { timeout: '200ms' } });
    const { status, text } = await read(`${reading.url}/api/v1/query?query=up`);
    expect(status).toBe(503);
    expect(JSON.parse(text)).toMatchObject({ errorType: 'timeout', error: expect.stringContaining('200') });
    expect(await reading.metric('amp_write_proxy_queries_in_flight')).toBe(0);
  });
});

describe('trying again', () => {
  test('refreshes credentials once after a 403, and signs again', async () => {
    const reading = await startReading((_, index, response) =>
      index === 0 ? answer(response, 403, '{"message":"no"}') : answer(response, 200, VECTOR),
    );
    expect((await read(`${reading.url}/api/v1/query?query=up`)).text).toBe(VECTOR);
    expect(reading.upstream.requests).toHaveLength(2);
  });

  test('asks once more when the connection breaks before a byte of the answer, and on 503', async () => {
    for (const fail of ['reset', '503'] as const) {
      const { url, upstream } = await startReading((_, index, response) => {
        if (index > 0) answer(response, 200, VECTOR);
        else if (fail === 'reset') response.socket?.resetAndDestroy();
        else answer(response, 503, 'busy');
      });
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      const init = { method: 'POST', body: 'query=up', headers: form };
      expect(await read(`${url}/api/v1/query`, init)).toMatchObject({ status: 200, text: VECTOR });
      expect(upstream.requests).toHaveLength(2);
    }
  });

  test('asks only once more, and never sets a silence twice', async () => {
    const { url, upstream } = await startReading((_, __, response) => void response.socket?.resetAndDestroy(), {
      query: { alertmanager: true },
    });
    expect((await read(`${url}/api/v1/query?query=up`)).status).toBe(502);
    expect(upstream.requests).toHaveLength(2);
    const init = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };
    expect((await read(`${url}/alertmanager/api/v2/silences`, init)).status).toBe(502);
    expect(upstream.requests).toHaveLength(3);
  });
});

describe('an answer that does not come whole', () => {
  test('is cut for the reader too, and not asked for again', async () => {
    const reading = await startReading((_, __, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"status":"success","data":');
      setTimeout(() => response.socket?.resetAndDestroy(), 50);
    });
    await expect(read(`${reading.url}/api/v1/query?query=up`)).rejects.toThrow(/terminated|fetch failed/);
    expect(reading.upstream.requests).toHaveLength(1);
    await until(() => reading.logged.some((line) => line.includes('the connection is cut')), 'the log');
    expect(await reading.metric('amp_write_proxy_query_requests_total', { code: 'cut' })).toBe(1);
    expect(await reading.metric('amp_write_proxy_queries_in_flight')).toBe(0);
  });

  test('is cut when it is larger than max_response_bytes, also for a reader of HTTP/1.0', async () => {
    const reading = await startReading(
      (_, __, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        for (let index = 0; index < 100; index++) response.write('x'.repeat(1000));
        response.end();
      },
      { query: { max_response_bytes: 50_000 } },
    );
    await expect(read(`${reading.url}/api/v1/query?query=up`)).rejects.toThrow(/terminated|fetch failed/);
    const { port } = new URL(reading.url);
    const socket = connect(Number(port), '127.0.0.1');
    const error = new Promise((resolve) => {
      socket.once('error', resolve).resume();
    });
    socket.write('GET /api/v1/query?query=up HTTP/1.0\r\n\r\n');
    expect(await error).toMatchObject({ code: 'ECONNRESET' });
  });

  test('is refused before its first byte when its length is declared', async () => {
    const reading = await startReading((_, __, response) => answer(response, 200, 'x', { 'content-length': 1000 }), {
      query: { max_response_bytes: 999 },
    });
    const { status, text } = await read(`${reading.url}/api/v1/query?query=up`);
    expect(status).toBe(422);
    expect(JSON.parse(text)).toMatchObject({ errorType: 'execution', error: expect.stringContaining('999') });
  });
});

describe('turns', () => {
  test('lets so many in, keeps so many waiting in order, and tells the others to come back', async () => {
    const held: (() => void)[] = [];
    const reading = await startReading((_, __, response) => void held.push(() => answer(response, 200, VECTOR)), {
      query: { max_concurrency: 2, max_queued: 2 },
    });
    const answers = ['a', 'b', 'c', 'd'].map(async (name) => read(`${reading.url}/api/v1/query?query=${name}`));
    await until(() => held.length === 2, 'two in flight');
    await expect.poll(async () => reading.metric('amp_write_proxy_queries_queued')).toBe(2);

    const denied = await read(`${reading.url}/api/v1/query?query=e`);
    expect(denied.status).toBe(503);
    expect(Number(denied.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(JSON.parse(denied.text)).toMatchObject({ error: expect.stringContaining('max_concurrency') });
    // The other entry has turns of its own.
    const other = read(`${reading.url}/second/api/v1/query?query=f`);
    await until(() => held.length === 3, 'one of the other entry');

    const answering = setInterval(() => {
      for (const answerOne of held.splice(0)) answerOne();
    }, 10);
    expect((await Promise.all([...answers, other])).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    clearInterval(answering);
    const asked = reading.upstream.requests.map(({ path }) => path.slice(-1));
    expect(asked.slice(0, 2).toSorted(), 'those that came first').toEqual(['a', 'b']);
    expect(await reading.metric('amp_write_proxy_queries_in_flight')).toBe(0);
    expect(await reading.metric('amp_write_proxy_queries_queued')).toBe(0);
  });

  test('ends the request upstream when the reader goes, and gives its place back', async () => {
    let gone = 0;
    const reading = await startReading((_, __, response) => void response.once('close', () => (gone += 1)), {
      query: { max_concurrency: 1, max_queued: 1 },
    });
    const control = new AbortController();
    const ended = [1, 2].map(async () => read(`${reading.url}/api/v1/query?query=up`, { signal: control.signal }));
    await until(() => reading.upstream.requests.length === 1, 'one upstream');
    await expect.poll(async () => reading.metric('amp_write_proxy_queries_queued')).toBe(1);
    control.abort();
    await Promise.allSettled(ended);
    await until(() => gone === 1, 'the end of the request upstream');
    await expect.poll(async () => reading.metric('amp_write_proxy_query_requests_total', { code: 'gone' })).toBe(2);
    expect(await reading.metric('amp_write_proxy_queries_in_flight')).toBe(0);
    expect(reading.upstream.requests).toHaveLength(1);
  });
});

describe('which requests are queries', () => {
  test.each([
    '/metrics',
    '/api/v1/status/config',
    '/api/v1/admin/tsdb/delete_series',
    '/api/v1/write',
    '/api/v1/query/',
    '/api/v1//query',
    '/api/v1/%71uery',
    '/api/v1/x/../query',
    '/first/../api/v1/query',
    '/api/v1/label/../query',
    '/api/v1/label/%2e%2e/values',
    '/api/v1/label/a/b/values',
    '/third/api/v1/query',
    '/alertmanager/api/v2/status',
    '/workspaces/ws-1/api/v1/remote_write',
    'http://elsewhere.example/api/v1/query',
  ])('%s is not, and the answer lists what is', async (path) => {
    const { url, upstream } = await startReading((_, __, response) => answer(response, 200));
    const socket = await rawConnection(Number(new URL(url).port));
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    const told = await readUntilClose(socket);
    expect(told).toMatch(/^HTTP\/1\.1 404 /);
    expect(told).toContain('/api/v1/query_range');
    expect(upstream.requests).toHaveLength(0);
  });

  test('answers another method with 405 and Allow', async () => {
    const { url, upstream } = await startReading((_, __, response) => answer(response, 200));
    for (const [method, path, allow] of [
      ['DELETE', '/api/v1/query', 'GET, POST'],
      ['OPTIONS', '/api/v1/query', 'GET, POST'],
      ['POST', '/api/v1/label/job/values', 'GET'],
      ['PUT', '/api/v1/series', 'GET, POST'],
    ] as const) {
      const { status, headers } = await read(`${url}${path}`, { method });
      expect({ method, status, allow: headers.get('allow') }).toEqual({ method, status: 405, allow });
    }
    expect(upstream.requests).toHaveLength(0);
  });

  test('answers buildinfo itself, without a version that would be taken for that of Prometheus', async () => {
    const { url, upstream } = await startReading((_, __, response) => answer(response, 200));
    const { status, text } = await read(`${url}/workspaces/ws-1/api/v1/status/buildinfo`);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      status: 'success',
      data: { application: 'amp-write-proxy', version: '' },
    });
    expect(upstream.requests).toHaveLength(0);
  });

  test.each(['query=%zz', 'query=%', 'query=a;b', 'query=%ff', 'X-Amz-Signature=1&query=up'])(
    'refuses the query string %s as Prometheus would',
    async (text) => {
      const { url, upstream } = await startReading((_, __, response) => answer(response, 200));
      const { status, text: body } = await read(`${url}/api/v1/query?${text}`);
      expect(status).toBe(400);
      expect(JSON.parse(body)).toMatchObject({ status: 'error', errorType: 'bad_data' });
      expect(upstream.requests).toHaveLength(0);
    },
  );
});

test('logs a slow query with its PromQL, and not a quick one', async () => {
  const reading = await startReading(
    (_, index, response) => void setTimeout(() => answer(response, 200, VECTOR), index === 0 ? 0 : 120),
    { log: { slow_queries: '100ms' } },
  );
  await read(`${reading.url}/api/v1/query?query=quick`);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  await read(`${reading.url}/api/v1/query`, { method: 'POST', body: `query=${'s'.repeat(3000)}`, headers: form });
  const slow = reading.logged.filter((line) => line.includes('a slow query'));
  expect(slow).toHaveLength(1);
  expect(slow[0]).toContain('s'.repeat(1023));
  expect(slow[0]).not.toContain('s'.repeat(1025));
  expect(slow[0]).toContain('"reader":"127.0.0.1"');
  expect(slow[0]).toContain(`"bytes":${VECTOR.length}`);
});
