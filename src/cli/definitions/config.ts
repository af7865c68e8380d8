import type { Command } from 'commander';
import { Option } from 'commander';
import { configOption, dataDirOption, exitWith, nameOrConfigOption } from './shared.ts';

/** Commands about a config and the graph that it makes. */
export function configCommands(cli: Command): void {
  const config = cli.command('config').description('look at a config without starting anything');
  config
    .command('show')
    .description('the whole, with defaults and references filled in and secrets masked')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .addOption(new Option('--output <format>', 'the format').choices(['yaml', 'json']).default('yaml'))
    .action(async (options) => exitWith((await import('../../commands/config.ts')).configShow(options)));
  config
    .command('check')
    .description('exit 0 when it is right, else 2 after saying where it is wrong')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .action(async (options) => exitWith((await import('../../commands/config.ts')).configCheck(options)));

  cli
    .command('graph')
    .description('what needs what, with the critical path marked and, after a boot, the times')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .addOption(
      new Option('--output <format>', 'a tree, or a picture in the language of Mermaid or Graphviz')
        .choices(['text', 'mermaid', 'dot'])
        .default('text'),
    )
    .action(async (options) => exitWith((await import('../../commands/graph.ts')).graph(options)));

  const from = cli.command('import').description('make a config of what another system has');
  from
    .command('supervisord')
    .description('print the config; on stderr what has no counterpart')
    .argument('<file>', 'the supervisord config')
    .action(async (file) => exitWith((await import('../../commands/import.ts')).importFrom(file)));
}
