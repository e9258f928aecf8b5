#!/usr/bin/env node
/**
 * `amp-write-proxy COMMAND`: the proxy (`serve`, also without a command) and its tools. A command is loaded on demand,
 * since the sandbox and the demo need packages that an installation for production leaves out.
 */
const USAGE = `Usage: amp-write-proxy [COMMAND] [options]

  serve        the proxy (default): --config FILE
  bootstrap    workspace, role and Grafana in AWS: plan, apply, status, destroy
  doctor       tries each step of a delivery and says what is wrong: --config FILE
  healthcheck  whether the proxy of this configuration lives: --config FILE
  probe        sends one sample through a proxy and reads its metrics back
  sandbox      a stand-in for AMP and STS on loopback
  demo         sandbox, proxy and senders on loopback

amp-write-proxy COMMAND --help tells the options.
`;

type Command = (args: string[]) => Promise<number>;

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.ts')).main,
  bootstrap: async () => (await import('./commands/bootstrap/main.ts')).bootstrapMain,
  doctor: async () => (await import('./commands/doctor/doctor.ts')).doctorMain,
  healthcheck: async () => (await import('./commands/healthcheck.ts')).main,
  probe: async () => (await import('./commands/probe.ts')).main,
  sandbox: async () => (await import('./dev/sandbox/main.ts')).main,
  demo: async () => (await import('./dev/demo/main.ts')).main,
};

async function run(args: string[]): Promise<number> {
  const [first = ''] = args;
  if (first === '' || first === '--help' || first === '-h' || first === 'help') {
    process.stdout.write(USAGE);
    return first === '' ? 2 : 0;
  }
  if (first.startsWith('-')) return runCommand('serve', args);
  return runCommand(first, args.slice(1));
}

async function runCommand(name: string, args: string[]): Promise<number> {
  const load = COMMANDS[name];
  if (load === undefined) {
    process.stderr.write(`there is no command ${JSON.stringify(name)}\n\n${USAGE}`);
    return 2;
  }
  let command: Command;
  try {
    command = await load();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    process.stderr.write(`${name} needs packages that are not installed here: run npm ci (${error.message})\n`);
    return 1;
  }
  return command(args);
}

process.exitCode = await run(process.argv.slice(2));
