import type { Command } from 'commander';
import {
  binDirOption,
  configOption,
  dataDirOption,
  exitWith,
  kubernetesOption,
  nameOption,
  nameOrConfigOption,
} from './shared.ts';

/** Commands that act on one component of a running node, or on its data. */
export function operateCommands(cli: Command): void {
  const componentCommand = (name: string, description: string): Command =>
    cli
      .command(name)
      .description(description)
      .argument('<component>', 'name of the component')
      .addOption(nameOption())
      .option('--timeout <duration>', 'how long it may take', '300s');

  componentCommand('restart', 'restart a component and wait until it is ready')
    .option('--cascade', 'also restart everything that needs it, in order')
    .action(async (component, options) =>
      exitWith((await import('../../commands/componentCommands.ts')).restart(component, options)),
    );

  componentCommand(
    'stop',
    'stop a component and keep it stopped; what needs it does as its whenLost says',
  ).action(async (component, options) =>
    exitWith((await import('../../commands/componentCommands.ts')).stop(component, options)),
  );

  cli
    .command('encryption')
    .description('the encryption of Secrets in etcd')
    .command('rotate')
    .description('encrypt all Secrets with a new key, and remove the old one')
    .addOption(nameOption())
    .addOption(dataDirOption())
    .option('--timeout <duration>', 'how long it may take', '300s')
    .action(async (options) =>
      exitWith((await import('../../commands/encryption.ts')).rotateEncryptionKey(options)),
    );

  cli
    .command('certs')
    .description("the node's certificates")
    .command('rotate-ca')
    .description('replace the CAs of a running node, with both trusted meanwhile')
    .addOption(nameOption())
    .addOption(dataDirOption())
    .option('--timeout <duration>', 'how long it may take', '10m')
    .action(async (options) => exitWith((await import('../../commands/certs.ts')).rotateCa(options)));

  componentCommand('start', 'start a component and wait until it is ready').action(
    async (component, options) =>
      exitWith((await import('../../commands/componentCommands.ts')).start(component, options)),
  );

  snapshotCommands(cli.command('snapshot').description('back up a cluster, and put it back'));
}

function snapshotCommands(snapshot: Command): void {
  nodeOptions(snapshot.command('save').argument('[name]', 'its name (default: the time)'))
    .description('take a snapshot of a node that is up or down, and print its path')
    .option('--output <file>', 'where to write it, or - for stdout')
    .option('--passphrase-file <file>', 'encrypt it with the passphrase in the first line of a file')
    .addOption(binDirOption())
    .action(async (name, options) =>
      exitWith((await import('../../commands/snapshot.ts')).saveSnapshot(name, options)),
    );
  nodeOptions(snapshot.command('ls'))
    .description('print the name, time and size of each snapshot of a node')
    .action(async (options) => exitWith((await import('../../commands/snapshot.ts')).listSnapshots(options)));
  nodeOptions(snapshot.command('restore').argument('<snapshot>', 'its name, or a file'))
    .description('put a snapshot in the place of the cluster of a node; a node that is up is started again')
    .option('--passphrase-file <file>', 'the passphrase with which it was encrypted')
    .addOption(binDirOption())
    .addOption(kubernetesOption())
    .action(async (source, options) =>
      exitWith((await import('../../commands/snapshot.ts')).restoreNamed(source, options)),
    );
  nodeOptions(snapshot.command('rm').argument('<name...>', 'names of snapshots'))
    .description('remove snapshots of a node')
    .action(async (names, options) =>
      exitWith((await import('../../commands/snapshot.ts')).removeNamed(names, options)),
    );
}

function nodeOptions(command: Command) {
  return command.addOption(configOption()).addOption(nameOrConfigOption()).addOption(dataDirOption());
}
