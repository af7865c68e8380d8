import type { Command } from 'commander';
import { Option } from 'commander';
import { dataDirOption, exitWith, nameOption } from './shared.ts';

/** Commands that show the state and history of a node. */
export function observeCommands(cli: Command): void {
  cli
    .command('status')
    .description('show what is ready, what is not, and why; exit 0 only if the whole node is ready')
    .addOption(nameOption())
    .addOption(new Option('--output <format>', 'output format').choices(['table', 'json']).default('table'))
    .option('--wait', 'wait until the node is ready')
    .option('--watch', 'redraw until Ctrl-C')
    .option('--timeout <duration>', 'how long --wait may take', '300s')
    .action(async (options) => exitWith((await import('../../commands/status.ts')).status(options)));

  cli
    .command('ls')
    .description('list the nodes of this machine')
    .addOption(new Option('--output <format>', 'output format').choices(['table', 'json']).default('table'))
    .action(async (options) => exitWith((await import('../../commands/ls.ts')).listNodes(options)));

  cli
    .command('logs')
    .description('print the logs of components, merged by time; also of a stopped node')
    .argument('[component...]', 'only these components (default: all)')
    .addOption(nameOption())
    .option('-f, --follow', 'keep printing new lines')
    .option('--since <duration>', 'only lines that are not older')
    .option('--tail <lines>', 'only so many of the last lines of each component')
    .addOption(dataDirOption())
    .action(async (components, options) =>
      exitWith((await import('../../commands/logs.ts')).logs(components, options)),
    );

  cli
    .command('timeline')
    .description('show where the time of the last boot went; also of a node that failed or stopped')
    .addOption(nameOption())
    .addOption(
      new Option('--output <format>', 'bars, an SVG image, or a Chrome trace')
        .choices(['text', 'svg', 'trace'])
        .default('text'),
    )
    .addOption(dataDirOption())
    .action(async (options) => exitWith((await import('../../commands/timeline.ts')).timeline(options)));

  cli
    .command('healthcheck')
    .description("for Docker's HEALTHCHECK: exit 0 if the whole node is ready, else 1 with the reasons")
    .addOption(nameOption())
    .action(async (options) =>
      exitWith((await import('../../commands/healthcheck.ts')).healthcheck(options)),
    );

  cli
    .command('report')
    .description('pack state, events and logs for a bug report, without keys and tokens')
    .addOption(nameOption())
    .option('--output <file>', 'archive to write (default: k8s-single-NAME-TIME.tar.gz in this folder)')
    .addOption(dataDirOption())
    .action(async (options) => exitWith((await import('../../commands/report/report.ts')).report(options)));
}
