import type { Command } from 'commander';
import { Option } from 'commander';
import {
  binDirOption,
  configOption,
  dataDirOption,
  exitWith,
  kubernetesOption,
  mirrorOption,
  nameOption,
  nameOrConfigOption,
  outputOption,
  publishOption,
  sourceOption,
} from './shared.ts';

/** Commands that start and stop a node. */
export function lifecycleCommands(cli: Command): void {
  upOptions(cli.command('up').description('start the node and keep it running; Ctrl-C stops it'))
    .option('--detach', 'return when the node is ready and leave it running')
    .option('--from-pool', 'take a node of the pool, of which nothing is kept: see `pool start`')
    .action(async (options) => exitWith((await import('../../commands/up.ts')).up(options)));

  cli
    .command('run')
    .description(
      'start a fresh node in memory, run a command, remove the node; exit with the code of the command',
    )
    .argument('<command...>', 'after `--`; gets KUBECONFIG, and kubectl in its PATH')
    .addOption(configOption())
    .option('--name <name>', 'name of the node (default: run- and a random number)')
    .addOption(binDirOption())
    .option('--timeout <duration>', 'how long the boot may take (default: 300s)')
    .addOption(publishOption())
    .option(
      '--artifacts <dir>',
      'where to keep report and logs on failure, in a subfolder named after the node',
    )
    .option('--nodes <count>', 'how many nodes the cluster has: the first is the control plane', '1')
    .option('--keep-on-failure', 'leave the node running if the command fails')
    .option('--no-pool', 'start a new node, even if the pool has one')
    .option('--no-install', 'use only binaries that are already there')
    .addOption(sourceOption())
    .addOption(kubernetesOption())
    .addOption(mirrorOption())
    .passThroughOptions()
    .action(async (command, options) =>
      exitWith((await import('../../commands/run/run.ts')).run(command, options)),
    );

  cli
    .command('upgrade')
    .description('upgrade the data of a stopped node, one minor version of Kubernetes after the other')
    .requiredOption('--to <version>', 'Kubernetes version to reach: 1.30 or 1.30.4')
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .addOption(dataDirOption())
    .addOption(binDirOption())
    .option('--timeout <duration>', 'how long each boot may take (default: 300s)')
    .option('--no-install', 'use only binaries that are already there')
    .addOption(sourceOption())
    .addOption(mirrorOption())
    .addOption(outputOption())
    .action(async (options) => exitWith((await import('../../commands/upgrade.ts')).upgrade(options)));

  cli
    .command('down')
    .description('stop the node and remove everything but its data')
    .addOption(nameOption())
    .option('-f, --config <file>', 'a file of several nodes: all of them, instead of one by its name')
    .option('--purge', 'also remove its data, and what `kubeconfig --merge` added to your kubeconfig')
    .addOption(dataDirOption())
    .action(async (options) => exitWith((await import('../../commands/down.ts')).down(options)));
}

/** Commands for nodes that are kept ready. */
export function poolCommands(cli: Command): void {
  const pool = cli.command('pool').description('keep nodes ready for `run`, `up --from-pool` and tests');
  poolOptions(pool.command('start'))
    .description('start a keeper in the background; returns when all nodes are ready')
    .action(async (options) => exitWith((await import('../../commands/pool.ts')).startPool(options)));
  pool
    .command('status')
    .description('how many nodes are ready')
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'))
    .action(async (options) => exitWith((await import('../../commands/pool.ts')).poolStatus(options)));
  pool
    .command('stop')
    .description('end the keeper, and remove the nodes that nobody has taken')
    .action(async () => exitWith((await import('../../commands/pool.ts')).stopPool()));
  poolOptions(cli.command('__pool-keeper', { hidden: true }))
    .description('keep the nodes of the pool')
    .action(async (options) => exitWith((await import('../../commands/pool.ts')).keepPool(options)));
  cli
    .command('__pool-cleanup', { hidden: true })
    .description('remove what a keeper that was killed has left')
    .action(async () => exitWith((await import('../../commands/pool.ts')).cleanUpPool()));
}

function poolOptions(command: Command) {
  return command
    .option('--size <count>', 'how many nodes are kept ready', '1')
    .addOption(configOption())
    .addOption(binDirOption())
    .option('--timeout <duration>', 'how long the boot of a node may take (default: 300s)')
    .option('--no-install', 'use only binaries that are already there')
    .addOption(sourceOption())
    .addOption(kubernetesOption())
    .addOption(mirrorOption());
}

/** Commands for a node that systemd runs. */
export function systemdCommands(cli: Command): void {
  const systemd = cli
    .command('systemd')
    .description('let systemd run the node, from the boot of the machine on');
  upOptions(systemd.command('install'))
    .description('write the unit of a node, enable it and start it; takes the options of `up`')
    .option('--no-start', 'only enable it: it starts when the machine boots')
    .action(async (options) =>
      exitWith((await import('../../commands/systemd/systemd.ts')).installUnit(options)),
    );
  upOptions(systemd.command('print'))
    .description('print the unit; takes the options of `up`')
    .action(async (options) =>
      exitWith((await import('../../commands/systemd/systemd.ts')).printUnit(options)),
    );
  systemd
    .command('uninstall')
    .description('stop the node and remove its unit; the data stays')
    .addOption(nameOption())
    .action(async (options) =>
      exitWith((await import('../../commands/systemd/systemd.ts')).uninstallUnit(options)),
    );
  cli
    .command('__unit-cleanup', { hidden: true })
    .description('stop what a killed main process of the unit has left')
    .addOption(nameOption())
    .addOption(dataDirOption())
    .action(async (options) =>
      exitWith((await import('../../commands/systemd/systemd.ts')).cleanUpAfterUnit(options)),
    );
}

/** The options of `up` that say what the node is. */
function upOptions(command: Command) {
  return command
    .addOption(configOption())
    .addOption(nameOrConfigOption())
    .option('--data-dir <dir>', 'folder for what is kept after `down` (default: /var/lib/k8s-single/NAME)')
    .addOption(binDirOption())
    .option('--timeout <duration>', 'how long the whole boot may take (default: 300s)')
    .option('--listen <address:port>', 'serve a status page and metrics on loopback, such as 127.0.0.1:9990')
    .addOption(publishOption())
    .option('--host', 'run on the host itself, without namespaces')
    .option('--joinable', 'let other nodes of this machine join: up --name OTHER --join NAME')
    .option(
      '--join <cluster>',
      'be a worker: of a node of this machine by its name, or of another by the URL that `token create` prints there',
    )
    .addOption(
      new Option('--token <token>', 'the token to join with; once it has joined, a worker needs none').env(
        'K8S_SINGLE_TOKEN',
      ),
    )
    .option('--no-install', 'use only binaries that are already there')
    .addOption(sourceOption())
    .addOption(kubernetesOption())
    .addOption(mirrorOption())
    .addOption(outputOption())
    .addOption(
      new Option(
        '--forward-logs [components]',
        'also print the logs of components as they are written: comma-separated, or all',
      )
        .preset('all')
        .env('K8S_SINGLE_FORWARD_LOGS'),
    );
}
