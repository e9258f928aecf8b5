import { expect, test } from 'vitest';

import { sentencesOf } from '../../src/config/report.ts';
import { readYaml } from '../../src/config/yaml-reader.ts';

test('a sentence shows the value as it stands in the file, and that of a secret key never', () => {
  const { places } = readYaml('profile: dev\nsecret_key: hunter2', {}, 'f');
  const problems = ['secret_key', 'profile'].map((key) => ({ path: [key], message: 'is wrong', showValue: true }));
  expect(sentencesOf(problems, places, 'f')).toEqual(['f:1:1: profile "dev" is wrong', 'f:2:1: secret_key is wrong']);
});
