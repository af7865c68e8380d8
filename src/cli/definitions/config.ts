import type { Command } from 'commander';
import { Option } from 'commander';
import { configOption, dataDirOption, exitWith, nameOrConfigOption } from './shared.ts';

/** Commands about a config and the graph that it makes. */
export function configCommands(cli: Command): void {
  const config = cli.command('config').description('show or check a config without starting anything');
  config
    .command('show')
    .description('print the config with defaults and references filled in and secrets masked')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .addOption(new Option('--output <format>', 'output format').choices(['yaml', 'json']).default('yaml'))
    .action(async (options) => exitWith((await import('../../commands/config.ts')).configShow(options)));
  config
    .command('check')
    .description('exit 0 if the config is valid, 2 with the position of each error if not')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .action(async (options) => exitWith((await import('../../commands/config.ts')).configCheck(options)));

  cli
    .command('graph')
    .description('show what needs what, with the critical path and, after a boot, the times')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .addOption(
      new Option('--output <format>', 'a tree, or a diagram for Mermaid or Graphviz')
        .choices(['text', 'mermaid', 'dot'])
        .default('text'),
    )
    .option('--worker', 'the graph of a worker: see `up --join`')
    .action(async (options) => exitWith((await import('../../commands/graph.ts')).graph(options)));

  const importGroup = cli.command('import').description('convert the config of another system');
  importGroup
    .command('supervisord')
    .description('print the converted config; list on stderr what has no counterpart')
    .argument('<file>', 'supervisord config')
    .action(async (file) => exitWith((await import('../../commands/import.ts')).importFrom(file)));
}
