/**
 * Asks on a terminal for values that neither flags nor the file give. Questions go to standard error, so that standard
 * output holds only results. Ctrl-C ends everything, with nothing changed.
 */
import type { Readable, Writable } from 'node:stream';

import { confirm, isCancel, select, text } from '@clack/prompts';

import { BootstrapError } from './errors.ts';
import type { Given, Identity } from './settings.ts';
import { DEFAULTS } from './settings.ts';

export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

/** Asks for the missing values and offers the defaults. */
export async function askForSettings(
  given: Given,
  defaultRegion: string | undefined,
  terminal: Terminal,
): Promise<Given> {
  const answers: Record<string, unknown> = { ...given };
  const ask = async (key: string, message: string, fallback: string | undefined): Promise<void> => {
    if (answers[key] !== undefined) return;
    answers[key] = await askText(message, fallback, terminal);
  };
  await ask('region', 'Region of the workspace', defaultRegion);
  await ask('workspace_alias', 'Alias of the workspace, new or there', DEFAULTS.workspaceAlias);
  const isElsewhere = answers['cluster'] === undefined && answers['oidc_issuer'] === undefined;
  if (isElsewhere) {
    const where = await askChoice(
      'Where does Prometheus run?',
      [
        { value: 'eks', label: 'On an EKS cluster of this account' },
        { value: 'other', label: 'EKS Anywhere or any other cluster' },
      ],
      terminal,
    );
    if (where === 'eks') {
      await ask('cluster', 'Name of the EKS cluster', undefined);
      answers['identity'] ??= await askChoice<Identity>(
        'How do pods get the role?',
        [
          { value: 'irsa', label: 'IAM roles for service accounts (IRSA)' },
          { value: 'pod-identity', label: 'EKS Pod Identity (needs its agent add-on)' },
        ],
        terminal,
      );
    } else await ask('oidc_issuer', 'URL of its OIDC issuer', undefined);
  }
  await ask('namespace', 'Namespace', DEFAULTS.namespace);
  await ask('service_account', 'Service account', DEFAULTS.serviceAccount);
  await ask('role_name', 'Name of the role', DEFAULTS.roleName);
  await ask('policy_name', 'Name of the policy', DEFAULTS.policyName);
  return answers;
}

export async function askConfirmation(message: string, terminal: Terminal): Promise<boolean> {
  return orCancel(await confirm({ message, initialValue: false, ...terminal }));
}

async function askText(message: string, fallback: string | undefined, terminal: Terminal): Promise<string> {
  const answer = await text({
    message,
    ...(fallback === undefined ? {} : { placeholder: fallback, defaultValue: fallback }),
    validate: (value) => ((value ?? '') === '' && fallback === undefined ? 'This one has no default' : undefined),
    ...terminal,
  });
  return orCancel(answer).trim();
}

async function askChoice<Value extends string>(
  message: string,
  options: readonly { readonly value: Value; readonly label: string }[],
  terminal: Terminal,
): Promise<Value> {
  const answer = await select<string>({ message, options: options.map((option) => ({ ...option })), ...terminal });
  const value = orCancel(answer);
  const chosen = options.find((option) => option.value === value);
  if (chosen === undefined) throw new Error(`no such choice: ${value}`);
  return chosen.value;
}

function orCancel<T>(answer: T): Exclude<T, symbol> {
  if (!isCancel(answer) && isAnswer(answer)) return answer;
  throw new BootstrapError('CANCELLED', 'stopped, nothing was changed', '');
}

function isAnswer<T>(answer: T): answer is Exclude<T, symbol> {
  return typeof answer !== 'symbol';
}
