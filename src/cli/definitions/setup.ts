import { Argument } from 'commander';
import type { Command } from 'commander';
import {
  binDirOption,
  configOption,
  dataDirOption,
  exitWith,
  nameOrConfigOption,
  sourceOption,
} from './shared.ts';

/** Commands that need no node. */
export function setupCommands(cli: Command): void {
  cli
    .command('install')
    .description('install missing binaries and print where each one is')
    .addOption(binDirOption())
    .addOption(sourceOption())
    .option('--kubernetes <version>', 'Kubernetes version')
    .action(async (options) => exitWith((await import('../../commands/install.ts')).install(options)));

  cli
    .command('doctor')
    .description('check what this machine lacks for a node, and print the command that fixes it')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .addOption(binDirOption())
    .option('--host', 'check for `up --host`')
    .action(async (options) => exitWith((await import('../../commands/doctor/doctor.ts')).doctor(options)));

  cli
    .command('probe')
    .description('run a probe once; exit 0 if it passes, 1 with the reason if not')
    .addArgument(probeKind())
    .argument('<target...>', 'what to probe; for exec, the command')
    .option('--ca <file>', 'CA that must have signed the certificate of the server')
    .option('--cert <file>', 'client certificate')
    .option('--key <file>', 'private key of the client certificate')
    .option('--timeout <duration>', 'how long the probe may take', '5s')
    .passThroughOptions()
    .action(async (kind, target, options) =>
      exitWith((await import('../../commands/probe.ts')).probe(kind, target, options)),
    );
}

/** Lists the kinds for help and completion without checking them: parseProbe has the better error for a typo. */
function probeKind(): Argument {
  const argChoices = ['http', 'tcp', 'unix', 'exec', 'file', 'etcd', 'grpc', 'cri'];
  return Object.assign(new Argument('<kind>', 'kind of the probe'), { argChoices });
}
