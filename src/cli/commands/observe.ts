import type { Command } from 'commander';
import { Option } from 'commander';
import { exitWith, nameOption } from './shared.ts';

/** Commands that look at a running node. */
export function observeCommands(cli: Command): void {
  cli
    .command('status')
    .description('what is up, what is not, and why; exit 0 only when the whole node is ready')
    .addOption(nameOption())
    .addOption(new Option('--output <format>', 'the format').choices(['table', 'json']).default('table'))
    .option('--wait', 'wait until the node is ready')
    .option('--watch', 'redraw until Ctrl-C')
    .option('--timeout <duration>', 'how long to wait', '300s')
    .action(async (options) => exitWith((await import('../status.ts')).status(options)));
}
