/** Lines of the log as a process writes them: nothing that comes from outside forges another line, or hides in one. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, run } from '../support/processes.ts';

const FORGED = '12:00:00.000 INFO  everything is fine';
/** Line ends of every kind, a terminal's escape (ESC and the C1 CSI), bidi controls, a zero-width and a tag character. */
const HOSTILE = `x\n${FORGED}\r\n\u0085\u2028\u2029\v\f\u001b[31m\u009b2J\u202eabc\u2066\u200b\u{e0041}\u007f`;

async function logged(format: 'text' | 'json'): Promise<string> {
  const code = `
    import { makeLog } from ${JSON.stringify(path.join(ROOT, 'src/platform/log.ts'))};
    const text = ${JSON.stringify(HOSTILE)};
    makeLog({ level: 'info', format: '${format}' }).warn({ answer: text, [text]: 1, nested: { text } }, text);
  `;
  const { status, stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
  expect(status).toBe(0);
  return stdout;
}

test('the text format puts input from outside on one readable line without control characters', async () => {
  const line = await logged('text');
  expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN  x\\n12:00:00\.000 INFO {2}everything is fine\\r\\n.*\n$/);
  expect(line.slice(0, -1)).not.toMatch(/[\p{C}\u2028\u2029]/u);
  expect(line).toContain(String.raw`\u001b[31m\u009b2J\u202eabc\u2066\u200b\udb40\udc41\u007f`);
});

test('the JSON format puts it on one line without control characters, and parses back to the same text', async () => {
  const line = await logged('json');
  expect(line).toMatch(/^[^\n]*\n$/);
  expect(line.slice(0, -1)).not.toMatch(/[\p{C}\u2028\u2029]/u);
  expect(JSON.parse(line)).toMatchObject({ level: 'warn', answer: HOSTILE, msg: HOSTILE, nested: { text: HOSTILE } });
});

test('the text format quotes a value with spaces or quotes, so that it forges no other field', async () => {
  const code = `
    import { makeLog } from ${JSON.stringify(path.join(ROOT, 'src/platform/log.ts'))};
    makeLog({ level: 'info', format: 'text' }).info({ answer: 'no samples=0 status=200', code: '500', count: 3 }, 'said');
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
  expect(stdout).toMatch(/ INFO {2}said answer="no samples=0 status=200" code=500 count=3\n$/);
});
