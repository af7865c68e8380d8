import { Argument, Option } from 'commander';
import type { Command } from 'commander';
import {
  append,
  binDirOption,
  configOption,
  dataDirOption,
  exitWith,
  kubernetesOption,
  mirrorOption,
  nameOrConfigOption,
  outputOption,
  sourceOption,
} from './shared.ts';

/** Commands that need no node. */
export function setupCommands(cli: Command): void {
  cli
    .command('install')
    .description('install missing binaries and print where each one is')
    .addOption(configOption())
    .addOption(binDirOption())
    .addOption(sourceOption())
    .addOption(kubernetesOption())
    .addOption(mirrorOption())
    .addOption(outputOption())
    .addOption(
      new Option('--bundle <file>', 'write official releases to a file, for machines without internet'),
    )
    .option('--arch <arch>', 'architecture of the bundle: amd64 or arm64 (default: of this machine)')
    .addOption(new Option('--image <file>', 'image to add to the bundle (repeatable)').argParser(append))
    .addOption(new Option('--from <bundle>', 'install what a bundle has').conflicts('bundle'))
    .addOption(new Option('--list', 'print what is in the cache').conflicts(['from', 'bundle']))
    .addOption(
      new Option('--prune', 'remove from the cache what no node uses').conflicts(['from', 'bundle', 'list']),
    )
    .action(async (options) => exitWith((await import('../../commands/install.ts')).install(options)));

  cli
    .command('doctor')
    .description('check what this machine lacks for a node, and print the command that fixes it')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .addOption(binDirOption())
    .option('--host', 'check for `up --host`')
    .option('--security', 'judge the node by the CIS Kubernetes Benchmark instead')
    .option('--json', 'with --security: print JSON')
    .action(async ({ security = false, ...options }) =>
      exitWith(
        security
          ? (await import('../../commands/doctor/security.ts')).doctorSecurity(options)
          : (await import('../../commands/doctor/doctor.ts')).doctor(options),
      ),
    );

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
