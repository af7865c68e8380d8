import { Argument } from 'commander';
import type { Command } from 'commander';
import { binDirOption, dataDirOption, exitWith, nameOption, sourceOption } from './shared.ts';

/** Commands that need no node. */
export function setupCommands(cli: Command): void {
  cli
    .command('install')
    .description('get the binaries and say where they are')
    .addOption(binDirOption())
    .addOption(sourceOption())
    .option('--kubernetes <version>', 'the Kubernetes version')
    .action(async (options) => exitWith((await import('../../commands/install.ts')).installCommand(options)));

  cli
    .command('doctor')
    .description('what this machine lacks, and the command that mends it')
    .addOption(nameOption())
    .addOption(binDirOption())
    .addOption(dataDirOption())
    .option('--host', 'for a node on the host itself')
    .action(async (options) => exitWith((await import('../../commands/doctor/doctor.ts')).doctor(options)));

  cli
    .command('probe')
    .description('look once; exit 0, or 1 with the reason')
    .addArgument(probeKind())
    .argument('<target...>', 'at what; for exec the command')
    .option('--ca <file>', 'the CA that must have signed the certificate')
    .option('--cert <file>', "the client's certificate")
    .option('--key <file>', "the client's private key")
    .option('--timeout <duration>', 'how long the look may take', '5s')
    .passThroughOptions()
    .action(async (kind, target, options) =>
      exitWith((await import('../../commands/probe.ts')).probe(kind, target, options)),
    );
}

/** The kinds are listed, not checked: the probes themselves know better what to say to whoever has mistyped one. */
function probeKind(): Argument {
  const argChoices = ['http', 'tcp', 'unix', 'exec', 'file', 'etcd', 'grpc', 'cri'];
  return Object.assign(new Argument('<kind>', 'of what'), { argChoices });
}
