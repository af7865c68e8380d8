#!/usr/bin/env node
import { runMain } from './runMain.ts';

async function act([command, ...args]: readonly string[]): Promise<number | undefined> {
  const [flag, name, ...more] = args;
  // Docker starts a process for this every few seconds: skip commander.
  if (
    command === 'healthcheck' &&
    (flag === undefined || (flag === '--name' && name !== undefined && more.length === 0))
  ) {
    const { healthcheck } = await import('../commands/healthcheck.ts');
    return healthcheck({ name: name ?? process.env['K8S_SINGLE_NAME'] ?? 'default' });
  }
  const { program } = await import('../cli/program.ts');
  await program().parseAsync();
  return undefined;
}

/** Ends this process when all it has printed is written. By itself, Node.js would first free its memory, for 30 to 80 ms. */
async function exitOnceWritten(): Promise<void> {
  // A reader may be slow, and a disk full.
  const isWritten = [process.stdout, process.stderr].map(
    async (stream) => new Promise((resolve) => stream.write('', resolve)),
  );
  await Promise.all(isWritten);
  process.exit();
}

void runMain(async () => act(process.argv.slice(2))).then(exitOnceWritten);
