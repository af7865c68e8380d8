import { Argument } from 'commander';
import type { Command } from 'commander';
import { exitWith, nameOption } from './shared.ts';

/** Commands that act on one component of a running node. */
export function operateCommands(cli: Command): void {
  const act = (name: string, description: string): Command =>
    cli
      .command(name)
      .description(description)
      .addArgument(new Argument('<component>', 'its name'))
      .addOption(nameOption())
      .option('--timeout <duration>', 'how long it may take', '300s');

  act('restart', 'restart one component and wait until it is ready again')
    .option('--cascade', 'and all that need it, in order')
    .action(async (component, options) =>
      exitWith((await import('../../commands/componentCommands.ts')).restart(component, options)),
    );

  act('stop', 'stop one component and leave it stopped; those that need it do as their edge says').action(
    async (component, options) =>
      exitWith((await import('../../commands/componentCommands.ts')).stop(component, options)),
  );

  act('start', 'start one component and wait until it is ready').action(async (component, options) =>
    exitWith((await import('../../commands/componentCommands.ts')).start(component, options)),
  );
}
