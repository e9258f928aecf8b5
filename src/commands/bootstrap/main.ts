/**
 * `amp-write-proxy bootstrap`: workspace, role, Grafana in one command, and away again in one.
 *
 *     options -> settings (asked for where they are missing) -> installation -> inspect -> apply | destroy
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage, 3 (plan, status) there are changes to make. Results go to standard
 * output, which holds nothing else in JSON mode; progress, questions and errors go to standard error.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import type { AwsClients, Environment } from './clients.ts';
import { makeClients, tryDefaultRegion } from './clients.ts';
import { BootstrapError, explain, UsageError } from './errors.ts';
import type { Installation } from './installation.ts';
import { openInstallation } from './installation.ts';
import { explainUpload, writeOidcDocuments } from './oidc-documents.ts';
import type { Options } from './options.ts';
import { HELP, readOptions } from './options.ts';
import { formatEnv, formatHelm, outputsOf } from './output.ts';
import { applyAll, destroyAll, hasChanges, inspectAll, isBlocked, type Step } from './plan.ts';
import type { Terminal } from './questions.ts';
import { askConfirmation, askForSettings } from './questions.ts';
import {
  appliedLine,
  destroyedLine,
  errorScreen,
  header,
  namesScreen,
  outcomeScreen,
  outputsJson,
  stepsJson,
  stepsScreen,
  summary,
} from './report.ts';
import { wrap } from './screen.ts';
import type { Settings } from './settings.ts';
import { settingsOf } from './settings.ts';
import type { Waiting } from './wait.ts';

export interface BootstrapIo {
  readonly env: Environment;
  writeOut(text: string): void;
  writeError(text: string): void;
  /** Undefined if nobody can be asked. */
  readonly terminal: Terminal | undefined;
  sleep(ms: number): Promise<void>;
  nowMs(): number;
}

export function processIo(): BootstrapIo {
  const { stdin, stdout, stderr } = process;
  const isTerminal = stdin.isTTY && stderr.isTTY;
  return {
    env: process.env,
    writeOut: (text) => void stdout.write(text),
    writeError: (text) => void stderr.write(text),
    terminal: isTerminal ? { input: stdin, output: stderr } : undefined,
    sleep: async (ms) => sleep(ms),
    nowMs: () => performance.now(),
  };
}

export async function bootstrapMain(args: readonly string[], io: BootstrapIo = processIo()): Promise<number> {
  let isJson = false;
  try {
    const options = await readOptions(args);
    if (options === undefined) {
      io.writeOut(HELP);
      return 0;
    }
    isJson = options.output === 'json';
    if (options.file !== undefined) io.writeError(`using ${options.file}\n`);
    return options.verb === 'oidc-documents' ? await oidcDocuments(options, io) : await manage(options, io);
  } catch (error) {
    io.writeError(errorScreen(error));
    if (isJson) io.writeOut(json({ error: explain(error) }));
    if (!(error instanceof UsageError)) return 1;
    io.writeError('\n`amp-write-proxy bootstrap --help` lists everything.\n');
    return 2;
  }
}

async function oidcDocuments(options: Options, io: BootstrapIo): Promise<number> {
  const issuer = options.given['oidc_issuer'];
  if (typeof issuer !== 'string') {
    throw new UsageError('oidc-documents needs --oidc-issuer URL: where the documents will be found');
  }
  // Only the issuer matters here; the other settings are checked with it.
  settingsOf({ ...options.given, cluster: undefined }, 'us-east-1', false);
  const { publicKeyFile, jwksFile, outDirectory } = options;
  const files = await writeOidcDocuments({ issuerUrl: issuer, publicKeyFile, jwksFile, outDirectory });
  if (options.output === 'json') io.writeOut(json({ command: 'oidc-documents', files, issuer }));
  else io.writeOut(`${files.map((file) => `wrote ${file}\n`).join('')}${explainUpload(issuer, outDirectory)}`);
  return 0;
}

async function manage(options: Options, io: BootstrapIo): Promise<number> {
  const settings = await decideSettings(options, io);
  const clients = makeClients(settings.region, io.env);
  try {
    return await runVerb(options, settings, clients, io);
  } finally {
    clients.destroy();
  }
}

/** Asks on a terminal for missing values; `--yes` asks nothing. */
async function decideSettings({ verb, given, isYes }: Options, io: BootstrapIo): Promise<Settings> {
  const defaultRegion = await tryDefaultRegion(io.env);
  const needsCluster = verb !== 'destroy';
  const isMissing =
    (given['region'] ?? defaultRegion) === undefined ||
    (needsCluster && given['cluster'] === undefined && given['oidc_issuer'] === undefined);
  if (!isMissing || io.terminal === undefined || isYes) return settingsOf(given, defaultRegion, needsCluster);
  return settingsOf(await askForSettings(given, defaultRegion, io.terminal), defaultRegion, needsCluster);
}

async function runVerb(options: Options, settings: Settings, clients: AwsClients, io: BootstrapIo): Promise<number> {
  const { verb, deleteData } = options;
  const waiting: Waiting = {
    progress: (line) => io.writeError(`${wrap(line, '  ', '    ')}\n`),
    sleep: (ms) => io.sleep(ms),
    nowMs: () => io.nowMs(),
  };
  const installation = await openInstallation(
    settings,
    clients,
    { isDestroy: verb === 'destroy', deleteData },
    waiting,
  );
  const steps = await inspectAll(installation.resources);
  const run: Run = { options, settings, installation, steps, io };
  switch (verb) {
    case 'plan':
      return plan(run);
    case 'status':
      return status(run);
    case 'apply':
      return apply(run);
    case 'destroy':
      return destroy(run);
    case 'oidc-documents':
      throw new Error('oidc-documents asks nothing of AWS');
  }
}

interface Run {
  readonly options: Options;
  readonly settings: Settings;
  readonly installation: Installation;
  readonly steps: readonly Step[];
  readonly io: BootstrapIo;
}

function plan({ options, installation, steps, io }: Run): number {
  const next = nextOf(steps);
  if (options.output === 'json') {
    io.writeOut(json({ command: 'plan', changes: hasChanges(steps), resources: stepsJson(steps) }));
  } else {
    io.writeOut(header('plan', installation.facts.place) + stepsScreen(steps, false) + summary(steps, next));
  }
  return exitOf(steps);
}

function status({ options, settings, installation, steps, io }: Run): number {
  const { facts } = installation;
  const outputs = outputsOf(facts, settings);
  switch (options.output) {
    case 'json': {
      const changes = hasChanges(steps);
      io.writeOut(json({ command: 'status', changes, resources: stepsJson(steps), ...outputsJson(outputs) }));
      break;
    }
    case 'text':
      io.writeOut(header('status', facts.place) + stepsScreen(steps, true) + summary(steps, ''));
      break;
    case 'helm':
    case 'env':
      if (outputs === undefined) {
        throw new BootstrapError(
          'NO_WORKSPACE',
          `there is no workspace of alias ${settings.workspaceAlias} in ${settings.region} yet`,
          'Run `amp-write-proxy bootstrap apply` first.',
        );
      }
      io.writeOut(options.output === 'env' ? formatEnv(outputs) : formatHelm(outputs, options.chart));
      break;
  }
  return exitOf(steps);
}

async function apply({ options, settings, installation, steps, io }: Run): Promise<number> {
  const { facts, resources } = installation;
  const say = (text: string): void => (options.output === 'text' ? io.writeOut(text) : io.writeError(text));
  say(header('apply', facts.place));
  const needsQuestion = hasChanges(steps) && io.terminal !== undefined && !options.isYes;
  if (isBlocked(steps)) {
    say(stepsScreen(steps, false));
    const names = steps.filter(({ finding }) => finding.state === 'blocked').map(({ resource }) => resource.kind);
    throw new BootstrapError('BLOCKED', `nothing was changed: ${names.join(', ')} (see above)`, '');
  }
  if (needsQuestion && io.terminal !== undefined) {
    io.writeError(stepsScreen(steps, false) + summary(steps, ''));
    if (!(await askConfirmation('Make it so?', io.terminal))) {
      throw new BootstrapError('CANCELLED', 'stopped, nothing was changed', '');
    }
  }
  const applied = await applyAll(resources, (step) => say(appliedLine(step)));
  const outputs = outputsOf(facts, settings);
  if (outputs === undefined) throw new Error('everything is applied, and there is no workspace');
  const isChanged = applied.some(({ outcome }) => outcome !== 'unchanged');
  switch (options.output) {
    case 'json':
      io.writeOut(
        json({ command: 'apply', changed: isChanged, resources: stepsJson(applied), ...outputsJson(outputs) }),
      );
      break;
    case 'text':
      io.writeOut(isChanged ? outcomeScreen(outputs) : '\nNothing had to be changed.\n');
      break;
    case 'helm':
      io.writeOut(formatHelm(outputs, options.chart));
      break;
    case 'env':
      io.writeOut(formatEnv(outputs));
      break;
  }
  return 0;
}

async function destroy({ options, installation, steps, io }: Run): Promise<number> {
  const say = (text: string): void => (options.output === 'text' ? io.writeOut(text) : io.writeError(text));
  say(header('destroy', installation.facts.place));
  const ours = steps.filter(({ finding }) => finding.isOurs && finding.state !== 'absent');
  if (!options.isYes && ours.length > 0) {
    if (io.terminal === undefined) {
      throw new UsageError('destroy asks before it removes anything, and nobody can be asked here: add --yes');
    }
    io.writeError(`These bear our tag:\n\n${namesScreen(ours)}\n`);
    const data = options.deleteData ? ', the workspace and all its data included' : '; the workspace is kept';
    if (!(await askConfirmation(`Remove them${data}?`, io.terminal))) {
      throw new BootstrapError('CANCELLED', 'stopped, nothing was removed', '');
    }
  }
  const destroyed = await destroyAll(steps, (step) => say(destroyedLine(step)));
  if (options.output === 'json') {
    const left = destroyed.filter(({ removal }) => removal.kind === 'left');
    io.writeOut(json({ command: 'destroy', resources: stepsJson(destroyed), left: stepsJson(left) }));
  }
  return 0;
}

function nextOf(steps: readonly Step[]): string {
  if (isBlocked(steps)) return 'Nothing was changed; `apply` refuses until nothing is blocked.';
  return hasChanges(steps) ? 'Nothing was changed; `apply` makes it so.' : 'There is nothing to do.';
}

function exitOf(steps: readonly Step[]): number {
  if (isBlocked(steps)) return 1;
  return hasChanges(steps) ? 3 : 0;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

if (import.meta.main) process.exitCode = await bootstrapMain(process.argv.slice(2));
