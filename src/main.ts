#!/usr/bin/env node
import { outliveReaders } from './cli/readers.ts';
import { takeBack } from './ownEnvironment.ts';

async function main(): Promise<void> {
  takeBack();
  outliveReaders();
  try {
    const code = await act(process.argv.slice(2));
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    const { reportError } = await import('./cli/reportError.ts');
    process.exitCode = reportError(error);
  }
}

/** Reading the command line properly is a good part of the work of a command that is quick, so that two go past it. */
async function act([command, flag, name, ...more]: readonly string[]): Promise<number | undefined> {
  // Inside its box a node is told what it is asked for.
  if (process.env['K8S_SINGLE_BOX'] !== undefined) return (await import('./cli/inside.ts')).runInside();
  // Docker asks every few seconds, a process each time.
  if (
    command === 'healthcheck' &&
    (flag === undefined || (flag === '--name' && name !== undefined && more.length === 0))
  ) {
    const { healthcheck } = await import('./cli/healthcheck.ts');
    return healthcheck({ name: name ?? process.env['K8S_SINGLE_NAME'] ?? 'default' });
  }
  const { program } = await import('./cli/program.ts');
  await program().parseAsync();
  return undefined;
}

void main();
