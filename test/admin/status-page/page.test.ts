import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DemoPrometheus } from '../../../src/dev/demo/prometheus.ts';
import { until } from '../../support/processes.ts';
import { entryFor, startPair, startProxy, startSandboxProcess, readLedger } from '../../support/proxy.ts';
import { CHROMIUM_BIN, openPage } from './browser.ts';
import { startLoad } from './load.ts';
import { stretched } from '../../support/slowness.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const HOSTILE = '"><img src=x onerror="globalThis.harmed=1"><script>globalThis.harmed=1</script>';

describe.skipIf(CHROMIUM_BIN === undefined)(
  'the status page in a real browser (CHROMIUM_BIN)',
  { timeout: stretched(90_000) },
  () => {
    test('says first that samples are delivered, draws plots, and asks nobody but the admin port', async () => {
      const { proxy } = await startPair();
      const { page, complaints, asked } = await openPage(proxy.adminUrl);
      await sentence(page, /^Ready, and no sender has written yet/);
      startLoad(proxy.writeUrl);
      await sentence(page, /^Delivering [\d.]+k samples\/s, nothing lost\.$/);
      await until('numbers are there', async () => /^[\d.]+k\/s/.test(await tile(page, 'Out')));
      await until('latency is there', async () => /ms/.test(await tile(page, 'Latency')));
      expect(await page.locator('#plots canvas').count()).toBe(6);
      await until('a plot is told in words', async () =>
        /in: [\d.]+k now/.test((await page.locator('#plots [role=img]').first().getAttribute('aria-label')) ?? ''),
      );
      await until('it is drawn', async () => isDrawn(page));
      expect(await rows(page, '#senders')).toHaveLength(process.platform === 'linux' ? 6 : 1);
      expect(await page.locator('#senders tbody tr').first().innerText()).toMatch(/^127\.0\.[\s\S]*204/);
      expect(asked.filter((url) => !url.startsWith(proxy.adminUrl))).toEqual([]);
      expect(complaints).toEqual([]);
    });

    test('has its history again after a reload', async () => {
      const { proxy } = await startPair();
      const sender = new DemoPrometheus({ url: new URL(proxy.writeUrl), cluster: 'demo', nodes: 8 });
      sender.start();
      onTestFinished(async () => sender.stop());
      const { page } = await openPage(proxy.adminUrl);
      await until('some history is there', async () => (await points(page)) >= 8);
      await page.reload({ waitUntil: 'domcontentloaded' });
      await sentence(page, /^Delivering/);
      await until('the history is there', async () => isDrawn(page));
      expect(await points(page)).toBeGreaterThanOrEqual(8);
    });

    test('says in words what AMP answers and what to do, and that nothing is lost, until it is over', async () => {
      const { sandbox, proxy } = await startPair();
      startLoad(proxy.writeUrl);
      const { page } = await openPage(proxy.adminUrl);
      await sentence(page, /^Delivering/);
      const body = '{"message":"User: x is not authorized"}';
      await sandbox.client.replaceFaults({ action: { kind: 'status', status: 403, body } });
      await sentence(page, waiting(String.raw`answers 403 \(forbidden\)`));
      expect(await page.locator('#remedy').innerText()).toMatch(/^Nothing is lost:.*aps:RemoteWrite/);
      expect(await page.locator('#announcement').textContent()).toContain('403');
      expect(await page.locator('#problems li').first().innerText()).toContain('User: x is not authorized');
      expect(await page.title()).toContain('AMP answers 403');
      await sandbox.client.replaceFaults({ action: { kind: 'down' } });
      await sentence(page, waiting('refuses connections|breaks connections off'));
      await sandbox.client.clearFaults();
      await sentence(page, /^Delivering [\d.]+k? samples\/s, nothing lost\.$/);
      expect(await page.locator('#announcement').textContent()).toContain('nothing lost');
    });

    test('shows what a hostile upstream says as text, and no secret that it echoes', async () => {
      const { sandbox, proxy } = await startPair();
      const { page, complaints } = await openPage(proxy.adminUrl);
      const secret = `Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101, Signature=${'5e'.repeat(32)}`;
      await sandbox.client.addFaults({ action: { kind: 'status', status: 400, body: `${HOSTILE} ${secret}` } });
      startLoad(proxy.writeUrl, { senders: 1, series: 7 });
      await sentence(page, /AMP rejected/);
      const problem = page.locator('#problems .said').first();
      await until('it is told', async () => (await problem.innerText()).includes('<img src=x'));
      expect(await page.locator('#senders tbody tr').first().innerText()).toContain('<img src=x');
      await until('it is isolated', async () =>
        (await page.locator('#senders tbody tr').first().innerText()).includes('isolated'),
      );
      expect(await page.evaluate('globalThis.harmed')).toBeUndefined();
      expect(await page.locator('img[src="x"]').count()).toBe(0);
      const shown = await page.content();
      for (const part of ['AKIDEXAMPLE', '5e5e5e', sandbox.secretAccessKey, sandbox.accessKeyId])
        expect(shown).not.toContain(part);
      expect(complaints).toEqual([]);
    });

    test('counts in its ledger what /metrics counts', async () => {
      const { sandbox, proxy } = await startPair();
      await sandbox.client.addFaults({ action: { kind: 'status', status: 400, body: 'no' }, times: 2 });
      startLoad(proxy.writeUrl, { senders: 1, everyMs: 3_000 });
      const { page } = await openPage(proxy.adminUrl);
      const [counted, shown] = await until('both agree', async () => {
        const { received, delivered, rejected, pending } = readLedger(await proxy.metrics());
        const told = await ledger(page);
        const agree = told['Received'] === received && told['Delivered'] === delivered && told['Pending'] === pending;
        return rejected > 0 && delivered > 0 && agree ? ([{ rejected }, told] as const) : undefined;
      });
      expect(shown['Rejected by AMP']).toBe(counted.rejected);
      expect(shown['Refused, to be sent again']).toBe(0);
    });

    test('says so when the proxy falls silent, and dims what is old', async () => {
      const { proxy } = await startPair();
      const { page } = await openPage(proxy.adminUrl);
      await sentence(page, /^Ready/);
      proxy.child.trySignal('SIGKILL');
      await sentence(page, /^No news from the proxy for \d+ s\.$/);
      expect(await page.locator('body').getAttribute('class')).toBe('stale');
      expect(await page.locator('#connection').innerText()).toBe('no connection');
    });

    test('says why it is not ready', async () => {
      const sandbox = await startSandboxProcess();
      const { region } = sandbox;
      const entry = entryFor(sandbox, { sigv4: { region, profile: 'nobody' } });
      const proxy = await startProxy({ remoteWrite: [entry], awaitReady: false });
      const { page } = await openPage(proxy.adminUrl);
      await sentence(page, /^There are no AWS credentials: /);
      expect(await page.locator('#reasons').innerText()).toMatch(
        /^Not ready: remote_write default has no AWS credentials/,
      );
    });

    test('lets a person choose among several destinations', async () => {
      const sandbox = await startSandboxProcess();
      const proxy = await startProxy({
        remoteWrite: [entryFor(sandbox, { name: 'one' }), entryFor(sandbox, { name: 'two' })],
      });
      startLoad(`${proxy.writeUrl}/two`, { senders: 2 });
      const { page } = await openPage(proxy.adminUrl);
      await sentence(page, /^Delivering/);
      await until('the first is shown', async () => (await tile(page, 'Out')).startsWith('0/s'));
      await page.getByLabel('Destination').selectOption('two');
      await until('the other is shown', async () => /^[1-9][\d.]*k\/s/.test(await tile(page, 'Out')));
      expect((await page.locator('#ledger thead').innerText()).trim().split(/\s+/)).toEqual(['Samples', 'one', 'two']);
    });

    test('can be used with the keyboard alone', async () => {
      const { proxy } = await startPair();
      startLoad(proxy.writeUrl);
      const { page } = await openPage(proxy.adminUrl);
      await sentence(page, /^Delivering/);
      const focused: string[] = [];
      for (let presses = 0; presses < 9; presses += 1) {
        await page.keyboard.press('Tab');
        focused.push(await page.evaluate(FOCUSED));
      }
      expect(focused.slice(0, 3)).toEqual(['To the content', 'pause', 'range']);
      expect(focused.slice(-3)).toEqual(['Metrics', 'Ready?', 'Healthy?']);
    });

    test('can be paused, with a focus that is seen, and goes on', async () => {
      const { proxy } = await startPair();
      startLoad(proxy.writeUrl);
      const { page } = await openPage(proxy.adminUrl);
      await sentence(page, /^Delivering/);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Tab');
      expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
      await page.keyboard.press('Space');
      expect(await page.locator('#pause').getAttribute('aria-pressed')).toBe('true');
      const before = await page.locator('#ledger tbody').innerText();
      await page.waitForTimeout(2_500);
      expect(await page.locator('#ledger tbody').innerText()).toBe(before);
      await page.keyboard.press('Space');
      await until('it goes on', async () => (await page.locator('#ledger tbody').innerText()) !== before);
    });

    test('breaks no rule of accessibility, light or dark, on a screen or a phone, and never scrolls sideways', async () => {
      const { sandbox, proxy } = await startPair();
      startLoad(proxy.writeUrl);
      await sandbox.client.addFaults({ action: { kind: 'status', status: 400, body: 'x'.repeat(900) }, times: 3 });
      await sandbox.client.addFaults({ action: { kind: 'status', status: 429, body: 'rate' }, times: 2 });
      const { page } = await openPage(proxy.adminUrl);
      await sentence(page, /rejected/);
      for (const colorScheme of ['light', 'dark'] as const) {
        for (const width of [360, 1280]) {
          await page.emulateMedia({ colorScheme });
          await page.setViewportSize({ width, height: 800 });
          await page.waitForTimeout(300);
          const broken: unknown = await page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations.map(
          ({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' | ')))`);
          expect(broken, `${colorScheme}, ${width} px`).toEqual([]);
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
        }
      }
    });
  },
);

const FOCUSED = `document.activeElement.id || document.activeElement.textContent.trim()`;

/** Trouble of some time has its beginning in the sentence, which a slow machine may see. */
function waiting(what: string): RegExp {
  const since = String.raw`(?:, since \d\d:\d\d UTC \([^)]+\))?`;
  return new RegExp(String.raw`^AMP (?:${what}); senders are told to wait${since}\.$`);
}

async function sentence(page: Page, pattern: RegExp): Promise<void> {
  const shown = page.locator('#sentence');
  await until(`the sentence is like ${pattern}`, async () => pattern.test(await shown.innerText()));
}

async function tile(page: Page, name: string): Promise<string> {
  return page
    .locator('#now > div', { has: page.getByText(name, { exact: true }) })
    .locator('dd')
    .innerText();
}

async function rows(page: Page, table: string): Promise<string[][]> {
  const found = await page.locator(`${table} tbody tr`).all();
  return Promise.all(found.map(async (row) => row.locator('th, td').allInnerTexts()));
}

/** Reads the ledger by the names of its rows. */
async function ledger(page: Page): Promise<Record<string, number>> {
  const told = await rows(page, '#ledger');
  return Object.fromEntries(
    told.map(([name = '', value = '']) => [name, Number.parseInt(value.replaceAll(',', ''), 10)]),
  );
}

/** Seconds of history that the proxy tells. */
async function points(page: Page): Promise<number> {
  return page.evaluate(`new Promise((resolve) => {
    const source = new EventSource('status/stream');
    source.addEventListener('history', ({ data }) => {
      source.close();
      resolve(JSON.parse(data).destinations[0].columns.at.length);
    });
  })`);
}

/** Returns true if the first plot shows the line of sent samples, by its colour. */
async function isDrawn(page: Page): Promise<boolean> {
  return page.evaluate(`(() => {
    const canvas = document.querySelector('#plots canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) {
      if (data[at] === 0x0f && data[at + 1] === 0x7b && data[at + 2] === 0x4f) return true;
    }
    return false;
  })()`);
}
