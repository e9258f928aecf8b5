import { expect, test } from 'vitest';
import { startPair } from '../../support/proxy.ts';

test('a browser gets the page with a strict policy, and every part that it names', async () => {
  const { proxy } = await startPair();
  const answer = await fetch(`${proxy.adminUrl}/`, { headers: { accept: 'text/html,*/*;q=0.8' } });
  const page = await answer.text();
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const policy = answer.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe|\*|data:|https?:/);
  expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=|https?:/);
  const parts = [...page.matchAll(/(?:src|href)="(status\/[^"]+)"/g)].map(([, part = '']) => part);
  expect(parts).toContain('status/uPlot.js');
  const scripts = ['status/plots.js', 'status/tables.js', 'status/words.js'];
  for (const part of [...parts, ...scripts]) {
    const found = await fetch(`${proxy.adminUrl}/${part}`);
    expect([part, found.status]).toEqual([part, 200]);
    expect(found.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await found.text()).length).toBeGreaterThan(100);
  }
});

test('curl gets the sentence of state and the list of routes', async () => {
  const { proxy } = await startPair();
  const answer = await fetch(`${proxy.adminUrl}/`, { headers: { accept: '*/*' } });
  const text = await answer.text();
  expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(text).toMatch(/^amp-write-proxy: Ready, and no sender has written yet\./);
  expect(text).toContain('/-/ready');
});
