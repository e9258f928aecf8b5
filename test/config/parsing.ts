/** Shared by the tests of config/: small files around one point, and what parseConfig says of them. */
import type { Environment } from '../../src/config/environment.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { RemoteWriteConfig } from '../../src/config/schema.ts';
import { ConfigError } from '../../src/outcome/errors.ts';

export const AMP_URL = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/remote_write';

/** A valid file of one entry, with more lines of that entry (indented by four) and of the top level. */
export function fileWith(entryLines = '', topLines = '', url = AMP_URL): string {
  return `${topLines}\nremote_write:\n  - url: ${url}\n${entryLines}\n`;
}

/** The sentences that refuse a file, without the place they begin with; empty where it is accepted. */
export function problemsOf(text: string, env: Environment = {}): string[] {
  return placedProblemsOf(text, env).map((sentence) => sentence.replace(/^config\.yaml(?::\d+:\d+)?: /, ''));
}

export function placedProblemsOf(text: string, env: Environment = {}): string[] {
  try {
    parseConfig(text, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return [...error.problems];
    throw error;
  }
}

export function warningsOf(text: string, env: Environment = {}): string[] {
  return parseConfig(text, env).warnings.map((sentence) => sentence.replace(/^config\.yaml(?::\d+:\d+)?: /, ''));
}

export function entryOf(text: string, env: Environment = {}): RemoteWriteConfig {
  return parseConfig(text, env).config.remote_write[0];
}
