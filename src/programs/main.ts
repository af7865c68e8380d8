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

void runMain(async () => {
  const code = await act(process.argv.slice(2));
  if (code !== undefined) process.exitCode = code;
  // By itself, Node.js would first free its memory, for 30 to 80 ms. What is written to a pipe may still be on its way.
  if (process.stdout.writableLength + process.stderr.writableLength === 0) process.exit();
  return undefined;
});
