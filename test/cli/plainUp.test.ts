import { describe, expect, it } from 'vitest';
import { plainUp } from '../../src/cli/plainUp.ts';
import { program } from '../../src/cli/program.ts';

/** What commander makes of the command line. */
async function properly(args: readonly string[]): Promise<unknown> {
  const cli = program();
  let options: unknown;
  cli.commands.find((command) => command.name() === 'up')?.action((given: unknown) => void (options = given));
  await cli.parseAsync(['node', 'k8s-single', 'up', ...args]);
  return options;
}

describe('an up whose command line is plain', () => {
  it.for([
    '',
    '--name a',
    '--name a --name b',
    '--config node.yaml --detach',
    '--data-dir /x --host --timeout 5m',
    '--listen 127.0.0.1:9990 --no-install',
    '--output auto --output json',
    '--output plain',
    '--output pretty',
  ])('%j is read as commander reads it', async (line) => {
    const args = line.split(' ').filter(Boolean);
    expect(plainUp(args, {})).toEqual(await properly(args));
  });
});

describe('commander reads an up', () => {
  it.for([
    '--help',
    '--name',
    '--name --detach',
    '--name=a',
    '--output xml',
    '--output',
    '--bin-dir /x',
    '--forward-logs',
    '--source debian',
    '--detatch',
    'surplus',
    '-- --detach',
  ])('%j', (line) => {
    expect(plainUp(line.split(' '), {})).toBeUndefined();
  });

  it.for(['K8S_SINGLE_NAME', 'K8S_SINGLE_FORWARD_LOGS'])('with %s in the environment', (name) => {
    expect(plainUp([], { [name]: 'all' })).toBeUndefined();
  });
});
