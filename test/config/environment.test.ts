import { describe, expect, test } from 'vitest';

import { entryOf, fileWith, problemsOf } from './parsing.ts';

describe('variables of the environment', () => {
  test('a variable stands for its value, alone or inside a text', () => {
    const text = fileWith('    sigv4: {role_arn: "arn:aws:iam::${ACCOUNT}:role/writer"}');
    expect(entryOf(text, { ACCOUNT: '123456789012' }).sigv4.role_arn).toBe('arn:aws:iam::123456789012:role/writer');
  });

  test('a variable can be a number, a duration or a truth value', () => {
    const text = fileWith(
      '    remote_timeout: ${T}\n    queue_config:\n      max_shards: ${N}\n    tls_config:\n      insecure_skip_verify: ${B}',
    );
    const entry = entryOf(text, { T: '7s', N: '12', B: 'true' });
    expect([entry.remote_timeout, entry.queue_config.max_shards, entry.tls_config.insecure_skip_verify]).toEqual([
      7000,
      12,
      true,
    ]);
  });

  test('a value cannot bring YAML structure with it', () => {
    const value = 'x\n    proxy_url: http://evil:1\n# {a: b}';
    const entry = entryOf(fileWith('    sigv4:\n      profile: ${PROFILE}'), { PROFILE: value });
    expect(entry.sigv4.profile).toBe(value);
    expect(entry.proxy).toEqual({});
  });

  test('a value is not searched for variables again', () => {
    const env = { PROFILE: '${HOME}$$', HOME: '/x' };
    expect(entryOf(fileWith('    sigv4:\n      profile: ${PROFILE}'), env).sigv4.profile).toBe('${HOME}$$');
  });

  test('a default stands in for a variable that is not set or empty', () => {
    const text = fileWith('    sigv4:\n      profile: ${PROFILE:-a:b}');
    expect(entryOf(text, {}).sigv4.profile).toBe('a:b');
    expect(entryOf(text, { PROFILE: '' }).sigv4.profile).toBe('a:b');
    expect(entryOf(text, { PROFILE: 'c' }).sigv4.profile).toBe('c');
  });

  test('an empty default means that the key is not given', () => {
    expect(entryOf(fileWith('    sigv4:\n      role_arn: ${ROLE:-}')).sigv4.role_arn).toBeUndefined();
  });

  test('two dollars are one, and a dollar before anything else is itself', () => {
    expect(entryOf(fileWith('    sigv4:\n      profile: a$${X}$1$')).sigv4.profile).toBe('a${X}$1$');
  });

  test('a variable that is not set is named', () => {
    expect(problemsOf(fileWith('', '', '${UPSTREAM}'))).toEqual([
      'remote_write[0].url names the variable UPSTREAM, which is not set; ' +
        'set it, or give a default as in ${UPSTREAM:-default}',
    ]);
  });

  test.each(['${1X}', '${X', '${}', '${X-y}'])('%s is refused as no variable', (reference) => {
    expect(problemsOf(fileWith(`    sigv4:\n      profile: "${reference}"`))).toEqual([
      `remote_write[0].sigv4.profile holds ${reference}, which is not a variable; ` +
        'write ${NAME} or ${NAME:-default}, or $$ for a plain $',
    ]);
  });

  test('a message never shows what a variable stands for', () => {
    const text = fileWith('    queue_config:\n      max_shards: ${PASSWORD}');
    expect(problemsOf(text, { PASSWORD: 'hunter2' })).toEqual([
      'remote_write[0].queue_config.max_shards "${PASSWORD}" (from the environment) is not a whole number; ' +
        'write digits only, for example 50',
    ]);
  });
});
