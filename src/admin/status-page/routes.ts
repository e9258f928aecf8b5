/**
 * The routes of the status page on the admin port: the page and its parts from this package, the plots' library from
 * its own, and the stream of events. The page requests nothing else from any host, and a policy makes the browser
 * enforce that.
 */
import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { MAX_PAGES, MAX_PAGES_OF_ADDRESS } from './stream.ts';
import type { Status } from './status.ts';

/** Forbids inline scripts and styles, content from elsewhere, and framing. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-cache',
};

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';

/** Paths are relative to the page, so that it works behind a prefix, such as that of `kubectl proxy`. */
const PARTS: readonly (readonly [path: string, file: string, type: string])[] = [
  ['/status/page.css', './page/page.css', STYLE],
  ['/status/parts.css', './page/parts.css', STYLE],
  ['/status/page.js', './page/page.js', SCRIPT],
  ['/status/plots.js', './page/plots.js', SCRIPT],
  ['/status/tables.js', './page/tables.js', SCRIPT],
  ['/status/words.js', './page/words.js', SCRIPT],
  ['/status/icon.svg', './page/icon.svg', 'image/svg+xml'],
  ['/status/uPlot.js', 'uplot/dist/uPlot.iife.min.js', SCRIPT],
  ['/status/uPlot.css', 'uplot/dist/uPlot.min.css', STYLE],
];

const INDEX = `
/            in a browser: what happens now
/metrics     for Prometheus
/-/healthy   the process lives
/-/ready     requests can be forwarded, or why not
`;

export function addStatusRoutes(server: FastifyInstance, status: Status): void {
  for (const [path, file, type] of PARTS) {
    const content = readFileSync(new URL(import.meta.resolve(file)));
    server.get(path, (_request, reply) => reply.headers(HEADERS).type(type).send(content));
  }
  const page = readFileSync(new URL('./page/page.html', import.meta.url));
  server.get('/', (request, reply) => {
    void reply.headers(HEADERS).header('vary', 'accept');
    if (request.headers.accept?.includes('text/html')) return reply.type('text/html; charset=utf-8').send(page);
    const { sentence, remedy } = status.state();
    return reply.type('text/plain; charset=utf-8').send(`amp-write-proxy: ${`${sentence} ${remedy}`.trim()}\n${INDEX}`);
  });
  server.get('/status/stream', (_request, reply) => {
    reply.hijack();
    if (status.tryShow(reply.raw, HEADERS)) return;
    const text = `${MAX_PAGES} pages look already, or ${MAX_PAGES_OF_ADDRESS} from your address; close one\n`;
    reply.raw.writeHead(503, { ...HEADERS, 'content-type': 'text/plain', 'retry-after': '10' }).end(text);
  });
}
