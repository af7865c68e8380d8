import type { Command } from 'commander';
import { Option } from 'commander';
import type { UpOptions } from '../../supervisor/options.ts';
import { binDirOption, exitWith, nameOption, nameOrConfigOption, sourceOption } from './shared.ts';

const outputModes: readonly UpOptions['output'][] = ['auto', 'pretty', 'plain', 'json'];

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
    .option('--listen <address:port>', 'a page and metrics on a loopback port, like 127.0.0.1:9990')
    .option('--host', 'no namespaces of its own: run on the host itself')
    .option('--no-install', 'use what is there; install nothing')
    .addOption(sourceOption())
    .addOption(new Option('--output <mode>', 'how to show what happens').choices(outputModes).default('auto'))
    .addOption(
      new Option(
        '--forward-logs [components]',
        'show their logs as they are written: comma-separated, or all',
      )
        .preset('all')
        .env('K8S_SINGLE_FORWARD_LOGS'),
    )
    .action(async (options) => exitWith((await import('../../commands/up.ts')).up(options)));

  cli
    .command('run')
    .description('a fresh node in memory, the command, the node gone; exits with the code of the command')
    .argument('<command...>', 'after `--`; finds the node through KUBECONFIG, and kubectl in its PATH')
    .option('--config <file>', 'the YAML config')
    .option('--name <name>', 'the name of the node (default: one of its own)')
    .addOption(binDirOption())
    .option('--timeout <duration>', 'how long the boot may take (default: 300s)')
    .option(
      '--artifacts <dir>',
      'keep the report and the logs there, in a folder of its own, when anything fails',
    )
    .option('--keep-on-failure', 'leave the node running when the command fails')
    .option('--no-install', 'use what is there; install nothing')
    .addOption(sourceOption())
    .passThroughOptions()
    .action(async (command, options) =>
      exitWith((await import('../../commands/run/run.ts')).run(command, options)),
    );

  cli
    .command('down')
    .description('take the node down and leave nothing behind but its data')
    .addOption(nameOption())
    .option('--purge', 'remove its data too')
    .option('--data-dir <dir>', 'where the data is, when it is not where it usually is')
    .action(async (options) => exitWith((await import('../../commands/down.ts')).down(options)));
}
