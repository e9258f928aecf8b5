/**
 * Turns a configuration file into a Config, or reports every reason why that is impossible at once.
 *
 *     text -> tree of text -> Prometheus-only keys out -> schema -> rules -> Config
 *
 * A value that the schema refuses is replaced by its default before the rules run, so that one run names the mistakes
 * of both. Rules on a refused value are skipped (isSound).
 */
import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';

import { ConfigError } from '../outcome/errors.ts';
import type { EntryOutcome } from './entry-rules.ts';
import type { Environment } from './environment.ts';
import { isUnknownKey, unknownKeyMessage } from './known-keys.ts';
import { isWithin, type KeyPath } from './problem.ts';
import { proxyVariables } from './proxy-route.ts';
import { takeOutPrometheusOnlyKeys } from './prometheus-keys.ts';
import { problemsOfIssues, sentencesOf } from './report.ts';
import { checkRules } from './rules.ts';
import { type Config, configSchema, type ParsedConfig, type RemoteWriteConfig } from './schema.ts';
import { keyOf, readYaml, type YamlMap, type YamlTree } from './yaml-reader.ts';

export interface LoadedConfig {
  readonly config: Config;
  /** Each is one sentence with its place in the file, to be logged at start. */
  readonly warnings: string[];
}

/** @throws ConfigError with one sentence per problem, also if the file cannot be read */
export async function loadConfig(file: string, env: Environment): Promise<LoadedConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError([`${file}: cannot be read (${reason}); name the configuration file with --config FILE`]);
  }
  return parseConfig(text, env, file);
}

/** Does the same for a text. @throws ConfigError */
export function parseConfig(text: string, env: Environment, fileName = 'config.yaml'): LoadedConfig {
  const reading = readYaml(text, env, fileName);
  const { places, tree } = reading;
  if (tree === undefined) {
    throw new ConfigError([...reading.syntaxErrors, ...sentencesOf(reading.problems, places, fileName)]);
  }

  const problems = [...reading.problems];
  const prometheusOnly = takeOutPrometheusOnlyKeys(tree);
  problems.push(...prometheusOnly.problems);
  for (const path of reading.absent) {
    // The schema never sees these keys, and a misspelt key is a mistake even with nothing behind it.
    if (isUnknownKey(path)) problems.push({ path, message: unknownKeyMessage(path.slice(0, -1), String(path.at(-1))) });
  }

  // A value whose variable is not set counts as absent; that it is missing is then not a second mistake.
  const unsound: KeyPath[] = reading.problems.map((problem) => problem.path);
  const first = configSchema.safeParse(tree);
  let parsed: ParsedConfig | undefined = first.data;
  if (!first.success) {
    const found = problemsOfIssues(first.error.issues);
    problems.push(...found.filter((problem) => !unsound.some((path) => isWithin(path, problem.path))));
    unsound.push(...found.map((problem) => problem.path));
    const repaired = structuredClone(tree);
    for (const path of unsound) repairAt(repaired, path);
    parsed = configSchema.safeParse(repaired).data;
  }
  if (parsed === undefined) throw new ConfigError(sentencesOf(problems, places, fileName));

  const isSound = (path: KeyPath): boolean =>
    !unsound.some((broken) => isWithin(path, broken) || isWithin(broken, path));
  const rules = checkRules(parsed, { env, ownNames: ownNames(), isGiven: (path) => places.has(keyOf(path)), isSound });
  problems.push(...rules.problems);
  if (problems.length > 0) throw new ConfigError(sentencesOf(problems, places, fileName));
  return {
    config: { ...parsed, remote_write: finishedEntries(parsed, rules.entries, env) },
    warnings: sentencesOf([...prometheusOnly.warnings, ...rules.warnings], places, fileName),
  };
}

/** Joins the results of the schema and of the rules for each entry; without problems none of them is absent. */
function finishedEntries(
  parsed: ParsedConfig,
  outcomes: readonly EntryOutcome[],
  env: Environment,
): Config['remote_write'] {
  const entries = parsed.remote_write.map((entry, index): RemoteWriteConfig => {
    const outcome = outcomes[index];
    const { name, upstream, region } = outcome ?? {};
    if (name === undefined || upstream === undefined || region === undefined) {
      throw new Error(`remote_write[${index}] has passed its rules without name, URL or region`);
    }
    const { proxy_url, no_proxy, proxy_from_environment, ...rest } = entry;
    const proxy = proxyVariables({ proxy_url, no_proxy, proxy_from_environment }, env);
    return {
      ...rest,
      name,
      url: upstream.href,
      query_url: outcome?.queryUrl,
      sigv4: { ...entry.sigv4, region },
      proxy,
    };
  });
  const [head, ...rest] = entries;
  if (head === undefined) throw new Error('remote_write has passed its rules without an entry');
  return [head, ...rest];
}

/** Stands in for a missing URL; no rule looks at it. */
const STAND_IN_URL = 'https://url.invalid/';

/** Makes the tree at `path` acceptable to the schema: removes the key, or inserts a stand-in if it is required. */
function repairAt(tree: YamlMap, path: KeyPath): void {
  let parent: YamlTree | undefined = tree;
  for (const part of path.slice(0, -1)) {
    if (parent === undefined || typeof parent === 'string') return;
    if (Array.isArray(parent)) parent = parent[Number(part)];
    else parent = Object.hasOwn(parent, part) ? parent[part] : undefined;
  }
  const last = path.at(-1);
  if (parent === undefined || typeof parent === 'string' || last === undefined) return;
  if (Array.isArray(parent)) parent[Number(last)] = { url: STAND_IN_URL };
  else if (last === 'url') parent[last] = STAND_IN_URL;
  else if (last === 'remote_write') parent[last] = [{ url: STAND_IN_URL }];
  else delete parent[last];
}

/** Returns the names under which a request to this machine comes back to it. */
function ownNames(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  return [hostname(), ...addresses];
}
