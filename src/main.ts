#!/usr/bin/env node
import { asProgram } from './cli/asProgram.ts';

/** Reading the command line properly is a good part of the work of a command that is quick, so that one goes past it. */
async function act([command, flag, name, ...more]: readonly string[]): Promise<number | undefined> {
  // Docker asks every few seconds, a process each time.
  if (
    command === 'healthcheck' &&
    (flag === undefined || (flag === '--name' && name !== undefined && more.length === 0))
  ) {
    const { healthcheck } = await import('./cli/healthcheck.ts');
    return healthcheck({ name: name ?? process.env['K8S_SINGLE_NAME'] ?? 'default' });
  }
  const { program } = await import('./cli/program.ts');
  await program(command).parseAsync();
  return undefined;
}

void asProgram(async () => act(process.argv.slice(2)));
