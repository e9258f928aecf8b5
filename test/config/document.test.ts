import { readFile } from 'node:fs/promises';

import { describe, expect, test } from 'vitest';

import { configurationDocument, withConfigurationDocument } from '../../src/config/document.ts';

describe('the configuration table', () => {
  test('in docs/configuration.md is what the schema says (npm run docs writes it)', async () => {
    const document = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(document).toBe(withConfigurationDocument(document));
  });

  test('has a row with kind, default and meaning for each key', () => {
    const table = configurationDocument();
    expect(table).toContain(
      '| `remote_write[].queue_config.max_bytes_per_send` | size | `1MB` | Compressed size of one',
    );
    expect(table).toContain('| **`server.tls`** | section |  | TLS for senders; plain HTTP when not set. |');
    expect(table).toContain('| `server.tls.cert_file` | text |  |');
    expect(table).toContain('| `remote_write[].follow_redirects` | redirects are never followed');
    expect(table).toContain('| `remote_write[].write_relabel_configs` | samples are forwarded as they came');
  });

  test('takes the place of what is between the markers, and of nothing else', () => {
    const before = 'a\n<!-- configuration:start -->\nto be replaced\n<!-- configuration:end -->\nb\n';
    const after = withConfigurationDocument(before);
    expect(after.startsWith('a\n<!-- configuration:start -->\n\n| key |')).toBe(true);
    expect(after.endsWith('|\n\n<!-- configuration:end -->\nb\n')).toBe(true);
    expect(after).not.toContain('to be replaced');
    expect(withConfigurationDocument(after)).toBe(after);
  });

  test('is not written where the markers are missing', () => {
    expect(() => withConfigurationDocument('a')).toThrow(
      'no <!-- configuration:start --> followed by <!-- configuration:end -->',
    );
  });
});
