import { Command } from 'commander';
import type { exitCodes } from '../lib/errors.ts';
import { configCommands } from './definitions/config.ts';
import { kubernetesCommands } from './definitions/kubernetes.ts';
import { lifecycleCommands } from './definitions/lifecycle.ts';
import { observeCommands } from './definitions/observe.ts';
import { operateCommands } from './definitions/operate.ts';
import { setupCommands } from './definitions/setup.ts';
import { shellCommands } from './definitions/shell.ts';
import { version } from '../lib/version.ts';

const groups = [
  lifecycleCommands,
  observeCommands,
  operateCommands,
  kubernetesCommands,
  configCommands,
  setupCommands,
  shellCommands,
];

/**
 * The command line, with all commands up to the group of the one that is `meant`: by default all there are. Each loads its own code,
 * so that `status` does not pay for `up`.
 */
export function program(meant?: string): Command {
  const cli = new Command('k8s-single')
    .description('A real Kubernetes node, now, on one machine.')
    .version(version())
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError();
  for (const add of groups) {
    if (cli.commands.some((command) => command.name() === meant)) break;
    add(cli);
  }
  cli.addHelpText('after', exitCodeHelp);
  return cli;
}

function exitCodeHelp(): string {
  const meanings = {
    ok: 'fine',
    bug: 'a bug, or a probe that does not pass',
    usage: 'wrong usage or config',
    preflight: 'this machine cannot, or something is in the way',
    notReady: 'not ready (in time)',
    crashLoop: 'a component was given up',
    install: 'the binaries cannot be had',
    smoke: 'the smoke test failed',
  } satisfies Record<keyof typeof exitCodes, string>;
  const lines = Object.values(meanings).map((meaning, code) => `  ${code}  ${meaning}`);
  return `\nExit codes:\n${lines.join('\n')}`;
}
