import { expect, test } from 'vitest';

import { parseConfig } from '../../src/config/load.ts';
import { redactConfig } from '../../src/config/redact.ts';
import { fileWith } from './parsing.ts';

test('a configuration for the log has no secrets, and the one in use keeps them', () => {
  const sigv4 =
    '{access_key: AKIA1, secret_key: hunter2, role_arn: "arn:aws:iam::123456789012:role/r", external_id: e1}';
  const { config } = parseConfig(fileWith(`    proxy_url: http://me:hunter3@squid:3128\n    sigv4: ${sigv4}`), {});
  const redacted = redactConfig(config);
  expect(JSON.stringify(redacted)).not.toMatch(/AKIA1|hunter2|hunter3|e1"/);
  expect(redacted.remote_write[0].proxy_url).toBe('http://<redacted>@squid:3128');
  expect(redacted.remote_write[0].sigv4).toEqual({
    region: 'us-west-2',
    access_key: '<redacted>',
    secret_key: '<redacted>',
    role_arn: 'arn:aws:iam::123456789012:role/r',
    external_id: '<redacted>',
    use_fips_sts_endpoint: false,
  });
  expect(config.remote_write[0].sigv4.secret_key).toBe('hunter2');
});

test('a configuration without secrets is logged as it is', () => {
  const { config } = parseConfig(fileWith(), {});
  expect(redactConfig(config)).toEqual(config);
});
