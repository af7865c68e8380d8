#!/usr/bin/env node
import { runMain } from './runMain.ts';
import { plainUp } from '../cli/plainUp.ts';

/** Reading the command line properly is a good part of the work of a command that is quick, so that two go past it. */
async function act([command, ...args]: readonly string[]): Promise<number | undefined> {
  const [flag, name, ...more] = args;
  // Docker asks every few seconds, a process each time.
  if (
    command === 'healthcheck' &&
    (flag === undefined || (flag === '--name' && name !== undefined && more.length === 0))
  ) {
    const { healthcheck } = await import('../commands/healthcheck.ts');
    return healthcheck({ name: name ?? process.env['K8S_SINGLE_NAME'] ?? 'default' });
  }
  const options = command === 'up' ? plainUp(args, process.env) : undefined;
  if (options !== undefined) return (await import('../commands/up.ts')).up(options);
  const { program } = await import('../cli/program.ts');
  await program(command).parseAsync();
  return undefined;
}

void runMain(async () => act(process.argv.slice(2)));
