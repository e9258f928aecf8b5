/** Before each test file: how long a test and a hook may take where they say nothing else. */
import { vi } from 'vitest';
import { stretched } from './slowness.ts';

vi.setConfig({ testTimeout: stretched(30_000), hookTimeout: stretched(60_000) });
