#!/usr/bin/env node
const [command, flag, name, ...more] = process.argv.slice(2);

// Docker asks every few seconds, a process each time: reading the command line properly would be a third of the work.
if (
  command === 'healthcheck' &&
  (flag === undefined || (flag === '--name' && name !== undefined && more.length === 0))
) {
  const { healthcheck } = await import('./cli/healthcheck.ts');
  process.exitCode = await healthcheck({ name: name ?? process.env['K8S_SINGLE_NAME'] ?? 'default' });
} else {
  const { program } = await import('./cli/program.ts');
  try {
    await program().parseAsync();
  } catch (error) {
    const { reportError } = await import('./cli/reportError.ts');
    process.exitCode = reportError(error);
  }
}
