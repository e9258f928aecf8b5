/** A real browser for the status page: Chromium, from CHROMIUM_BIN or PATH. */
import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from '../../support/processes.ts';
import { findOnPath } from '../../support/program.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Undefined when there is none; tests are skipped then, and say so. */
export const CHROMIUM_BIN: string | undefined = process.env['CHROMIUM_BIN'] ?? findOnPath(...NAMES);

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Looking {
  readonly page: Page;
  readonly context: BrowserContext;
  /** The browser's complaints: console errors, exceptions, violations of the content security policy. */
  readonly complaints: string[];
  /** Every URL that the browser asked for. */
  readonly asked: string[];
}

/** Opens the page in a new browser with a new profile; both are gone after the test. */
export async function openPage(url: string, options: BrowserContextOptions = {}): Promise<Looking> {
  if (CHROMIUM_BIN === undefined) throw new Error('there is no chromium');
  const context = await chromium.launchPersistentContext(await temporaryDirectory(), {
    executablePath: CHROMIUM_BIN,
    headless: true,
    args: FLAGS,
    viewport: { width: 1280, height: 900 },
    ...options,
  });
  onTestFinished(async () => context.close());
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  await page.addInitScript(`addEventListener('securitypolicyviolation', (event) => {
    console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI);
  });`);
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  return { page, context, complaints, asked };
}
