import { expect, test } from 'vitest';
import { rejectionReason } from '../../src/outcome/rejection-reason.ts';

const SERIES = 'series={__name__="up", note="exemplar label too old duplicate"}';

test.each([
  ['user=1: err: out of order sample. timestamp=2026-01-01T00:00:00Z, series={__name__="up"}', 'out_of_order'],
  ['user=1: err: too old sample. timestamp=2026-01-01T00:00:00Z, series={__name__="up"}', 'too_old'],
  ['user=1: err: out of bounds. timestamp=2026-01-01T00:00:00Z, series={__name__="up"}', 'too_old'],
  ['user=1: err: duplicate sample for timestamp. timestamp=2026-01-01T00:00:00Z, series={}', 'duplicate_timestamp'],
  ['timestamp too new: 1893456000000 metric: "up"', 'too_new'],
  ['user=1: per-metric series limit of 200000 exceeded, please contact administrator to raise it', 'series_limit'],
  ['sample missing metric name', 'invalid_labels'],
  ['sample invalid label: "a-b" metric "up{a-b=\\"x\\"}"', 'invalid_labels'],
  ['label name too long: "aaa" metric "up"', 'label_limit'],
  ["series has too many labels (actual: 31, limit: 30) series: 'up'", 'label_limit'],
  ['user=1: err: exemplars are not supported. series={__name__="up"}', 'exemplar'],
  [`user=1: err: out of order sample. timestamp=1, ${SERIES}`, 'out_of_order'],
  ['the moon is full', 'other'],
  ['', 'other'],
])('%s is %s', (message, reason) => {
  expect(rejectionReason(400, message)).toBe(reason);
});

test('a 413 means too large, whatever its text', () => {
  expect(rejectionReason(413, 'out of order sample')).toBe('too_large');
});
