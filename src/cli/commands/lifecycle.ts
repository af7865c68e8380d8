import type { Command } from 'commander';
import { Option } from 'commander';
import { binDirOption, exitWith, nameOption, nameOrConfigOption, sourceOption } from './shared.ts';

/** Commands that start and end a node. */
export function lifecycleCommands(cli: Command): void {
  cli
    .command('up')
    .description('bring the node up and keep it up; Ctrl-C takes it down')
    .option('--config <file>', 'the YAML config')
    .addOption(nameOrConfigOption())
    .option('--data-dir <dir>', 'what survives `down` (default: /var/lib/k8s-single/NAME)')
    .addOption(binDirOption())
    .option('--detach', 'return when the node is ready and leave it running')
    .option('--timeout <duration>', 'how long the whole boot may take (default: 300s)')
    .option('--host', 'no namespaces of its own: run on the host itself')
    .option('--no-install', 'use what is there; install nothing')
    .addOption(sourceOption())
    .addOption(
      new Option('--output <mode>', 'how to show what happens')
        .choices(['auto', 'pretty', 'plain', 'json'])
        .default('auto'),
    )
    .action(async (options) => exitWith((await import('../up.ts')).up(options)));

  cli
    .command('down')
    .description('take the node down and leave nothing behind but its data')
    .addOption(nameOption())
    .option('--purge', 'remove its data too')
    .option('--data-dir <dir>', 'where the data is, when it is not where it usually is')
    .action(async (options) => exitWith((await import('../down.ts')).down(options)));
}
