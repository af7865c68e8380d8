import { Command } from 'commander';
import type { exitCodes } from '../errors.ts';
import { configCommands } from './commands/config.ts';
import { kubernetesCommands } from './commands/kubernetes.ts';
import { lifecycleCommands } from './commands/lifecycle.ts';
import { observeCommands } from './commands/observe.ts';
import { operateCommands } from './commands/operate.ts';
import { setupCommands } from './commands/setup.ts';
import { shellCommands } from './commands/shell.ts';
import { version } from './version.ts';

/** The command line. Each command loads its own code, so that `status` does not pay for `up`. */
export function program(): Command {
  const cli = new Command('k8s-single')
    .description('A real Kubernetes node, now, on one machine.')
    .version(version())
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError();
  lifecycleCommands(cli);
  observeCommands(cli);
  operateCommands(cli);
  kubernetesCommands(cli);
  configCommands(cli);
  setupCommands(cli);
  shellCommands(cli);
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
