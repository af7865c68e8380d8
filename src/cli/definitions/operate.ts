import type { Command } from 'commander';
import { dataDirOption, exitWith, nameOption } from './shared.ts';

/** Commands that act on one component of a running node. */
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

  componentCommand('start', 'start a component and wait until it is ready').action(
    async (component, options) =>
      exitWith((await import('../../commands/componentCommands.ts')).start(component, options)),
  );
}
