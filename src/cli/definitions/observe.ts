import type { Command } from 'commander';
import { Option } from 'commander';
import { dataDirOption, exitWith, nameOption } from './shared.ts';

/** Commands that look at a node. */
export function observeCommands(cli: Command): void {
  cli
    .command('status')
    .description('what is up, what is not, and why; exit 0 only when the whole node is ready')
    .addOption(nameOption())
    .addOption(new Option('--output <format>', 'the format').choices(['table', 'json']).default('table'))
    .option('--wait', 'wait until the node is ready')
    .option('--watch', 'redraw until Ctrl-C')
    .option('--timeout <duration>', 'how long to wait', '300s')
    .action(async (options) => exitWith((await import('../../commands/status.ts')).status(options)));

  cli
    .command('logs')
    .description('what the components have written, by time; of a node that is down, too')
    .argument('[component...]', 'of these; otherwise of all')
    .addOption(nameOption())
    .option('-f, --follow', 'go on with what is written from now on')
    .option('--since <duration>', 'nothing older')
    .option('--tail <lines>', 'so many of the last lines of each')
    .addOption(dataDirOption())
    .action(async (components, options) =>
      exitWith((await import('../../commands/logs.ts')).logs(components, options)),
    );

  cli
    .command('timeline')
    .description('where the time of the last boot went; of a node that is down or failed, too')
    .addOption(nameOption())
    .addOption(
      new Option('--output <format>', 'bars, a picture, or a Chrome trace')
        .choices(['text', 'svg', 'trace'])
        .default('text'),
    )
    .addOption(dataDirOption())
    .action(async (options) => exitWith((await import('../../commands/timeline.ts')).timeline(options)));

  cli
    .command('healthcheck')
    .description("for Docker's HEALTHCHECK: exit 0 when the whole node is ready, else 1 with the reasons")
    .addOption(nameOption())
    .action(async (options) =>
      exitWith((await import('../../commands/healthcheck.ts')).healthcheck(options)),
    );

  cli
    .command('report')
    .description('pack all that helps to find out what is wrong, without keys and tokens')
    .addOption(nameOption())
    .option('--output <file>', 'a .tar.gz (default: k8s-single-NAME-TIME.tar.gz, here)')
    .addOption(dataDirOption())
    .action(async (options) => exitWith((await import('../../commands/report/report.ts')).report(options)));
}
