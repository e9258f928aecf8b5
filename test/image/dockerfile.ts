/**
 * Reads a Dockerfile, as much of its language as ours uses; an instruction, a flag or a form beyond that is refused, so
 * that nothing in it goes untested without a word.
 */
export interface Instruction {
  readonly name: string;
  readonly rest: string;
}

export interface Stage {
  readonly name: string;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

const KNOWN = new Set([
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'HEALTHCHECK',
  'LABEL',
  'RUN',
  'STOPSIGNAL',
  'USER',
  'WORKDIR',
]);

export function parseDockerfile(text: string): Stage[] {
  const globals = new Map<string, string>();
  const stages: { name: string; base: string; instructions: Instruction[] }[] = [];
  for (const line of logicalLines(text)) {
    const [, word = '', rest = ''] = /^(\w+)\s+(.*)$/s.exec(line) ?? [];
    const name = word.toUpperCase();
    const stage = stages.at(-1);
    if (name === 'FROM') {
      const [, image = '', alias] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(rest) ?? [];
      stages.push({ name: alias ?? String(stages.length), base: expand(image, globals), instructions: [] });
    } else if (name === 'ARG' && stage === undefined) {
      define(rest, globals);
    } else if (stage !== undefined && KNOWN.has(name)) {
      stage.instructions.push({ name, rest });
    } else {
      throw new Error(`the test does not know this line of the Dockerfile: ${line}`);
    }
  }
  return stages;
}

/** `["node", "a"]`; @throws where it is the shell form. */
export function execForm(rest: string): string[] {
  const parsed: unknown = JSON.parse(rest);
  if (!Array.isArray(parsed) || !parsed.every((each) => typeof each === 'string')) {
    throw new Error(`not in exec form: ${rest}`);
  }
  return parsed;
}

/** The last one, as Docker takes it. */
export function lastOf(stage: Stage, name: string): string {
  const found = stage.instructions.findLast((each) => each.name === name);
  if (found === undefined) throw new Error(`stage ${stage.name} has no ${name}`);
  return found.rest;
}

/** KEY=value pairs of LABEL and ENV. */
export function pairsOf(stage: Stage, name: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const each of stage.instructions) {
    if (each.name !== name) continue;
    for (const [, key = '', quoted, plain] of each.rest.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S*))/g)) {
      pairs[key] = quoted ?? plain ?? '';
    }
  }
  return pairs;
}

function logicalLines(text: string): string[] {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  return lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function define(rest: string, variables: Map<string, string>): void {
  const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(rest) ?? [];
  variables.set(key, value);
}

function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => variables.get(name) ?? '');
}
