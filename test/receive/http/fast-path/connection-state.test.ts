import { expect, test } from 'vitest';
import { assertTransition, type ConnectionState } from '../../../../src/receive/http/fast-path/connection-state.ts';

const STATES: readonly ConnectionState[] = [
  'idle',
  'admitting',
  'reading',
  'waiting',
  'refusing',
  'skipping',
  'handed',
  'closing',
  'ended',
];

test('a connection that was handed over or has ended changes its state no more', () => {
  for (const next of STATES) {
    expect(() => assertTransition('handed', next)).toThrow(`a connection that is handed does not become ${next}`);
    expect(() => assertTransition('ended', next)).toThrow(`a connection that is ended does not become ${next}`);
  }
});

test('a closing connection takes no further request', () => {
  expect(() => assertTransition('closing', 'ended')).not.toThrow();
  expect(() => assertTransition('closing', 'idle')).toThrow('a connection that is closing does not become idle');
});

test('a body is read only after its request was admitted', () => {
  expect(() => assertTransition('admitting', 'reading')).not.toThrow();
  expect(() => assertTransition('idle', 'reading')).toThrow('a connection that is idle does not become reading');
});
