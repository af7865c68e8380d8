import { Command } from 'commander';
import type { exitCodes } from '../lib/errors.ts';
import { version } from '../lib/version.ts';
import { configCommands } from './definitions/config.ts';
import { kubernetesCommands } from './definitions/kubernetes.ts';
import { lifecycleCommands, poolCommands, systemdCommands } from './definitions/lifecycle.ts';
import { observeCommands } from './definitions/observe.ts';
import { operateCommands } from './definitions/operate.ts';
import { setupCommands } from './definitions/setup.ts';
import { shellCommands } from './definitions/shell.ts';

/** The whole command line. Each command loads its own code when it runs, so that `status` does not pay for `up`. */
export function program(): Command {
  const cli = new Command('k8s-single')
    .description('run a real single-node Kubernetes on this machine')
    .version(version())
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError();
  lifecycleCommands(cli);
  poolCommands(cli);
  observeCommands(cli);
  operateCommands(cli);
  kubernetesCommands(cli);
  configCommands(cli);
  setupCommands(cli);
  systemdCommands(cli);
  shellCommands(cli);
  return cli.addHelpText('after', exitCodeHelp);
}

function exitCodeHelp(): string {
  const meanings = {
    ok: 'success',
    bug: 'a bug in k8s-single, or a probe or health check that fails',
    usage: 'wrong usage or config',
    preflight: 'this machine lacks something, or something is in the way',
    notReady: 'the node is not running, or not ready in time',
    crashLoop: 'a component failed for good',
    install: 'binaries are missing and cannot be installed',
    smoke: 'a check of the smoke test failed',
  } satisfies Record<keyof typeof exitCodes, string>;
  const lines = Object.values(meanings).map((meaning, code) => `  ${code}  ${meaning}`);
  return `\nExit codes:\n${lines.join('\n')}`;
}
