import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';

import { configJsonSchema } from '../../src/config/json-schema.ts';
import { AMP_URL } from './parsing.ts';

const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(configJsonSchema());

describe('the JSON Schema', () => {
  test('is draft-07, which Helm reads', () => {
    expect(configJsonSchema()['$schema']).toBe('http://json-schema.org/draft-07/schema#');
  });

  test("has no pattern that Go's regular expressions lack", () => {
    expect(JSON.stringify(configJsonSchema())).not.toMatch(/\(\?[=!<]/);
  });

  test.each([
    ['one URL', { remote_write: [{ url: AMP_URL }] }],
    [
      'values as YAML types them',
      {
        server: { listen: ':8005', workers: 'auto', max_connection_age: 0, tls: { cert_file: null }, auth: null },
        limits: { max_body_bytes: 1_048_576, max_decoded_bytes: '64MiB' },
        remote_write: [
          { url: AMP_URL, queue_config: { max_shards: 3 }, tls_config: { insecure_skip_verify: true }, name: 'a' },
        ],
        log: { level: 'warn' },
      },
    ],
    [
      'variables of the environment',
      { remote_write: [{ url: '${URL}', remote_timeout: '${T:-10s}', queue_config: { max_shards: '${N}' } }] },
    ],
    ["Prometheus's keys without effect", { remote_write: [{ url: AMP_URL, metadata_config: { send: true } }] }],
  ])('accepts %s', (_what, document) => {
    validate(document);
    expect(validate.errors).toBeNull();
  });

  test.each([
    ['no upstream', {}],
    ['an empty list', { remote_write: [] }],
    ['an entry without a URL', { remote_write: [{}] }],
    ['an unknown key', { remote_write: [{ url: AMP_URL }], servr: {} }],
    ['an unknown key of an entry', { remote_write: [{ url: AMP_URL, write_relabel_configs: [] }] }],
    ['a duration that is none', { remote_write: [{ url: AMP_URL, remote_timeout: '10 seconds' }] }],
    ['a number that is none', { remote_write: [{ url: AMP_URL, queue_config: { max_shards: 'many' } }] }],
    ['a size that is none', { remote_write: [{ url: AMP_URL }], limits: { max_body_bytes: '10Mi' } }],
    ['a level that is none', { remote_write: [{ url: AMP_URL }], log: { level: 'loud' } }],
    ['a name with a blank', { remote_write: [{ url: AMP_URL, name: 'a b' }] }],
  ])('refuses %s', (_what, document) => {
    expect(validate(document)).toBe(false);
  });
});
