import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { cli } from '../support/cli.ts';
import { graph } from '../support/graph.ts';

const bin = join(import.meta.dirname, '../../bin');

/** The output of a hint that is pasted into a shell. */
async function outputOf(command: string): Promise<string> {
  const { all } = await execa('sh', ['-c', command], {
    env: { PATH: `${bin}:${process.env['PATH']}` },
    reject: false,
    all: true,
  });
  return all;
}

it('the hint of a failed boot shows the log of that node', async () => {
  const name = 'hints';
  const g = await graph(
    name,
    `  a: { command: [sh, -c, 'echo my last words; exit 3'], restart: { when: never } }\n`,
  );
  const { stderr } = await g.exited();
  const [, command = ''] = /see its log: (.*)/.exec(String(stderr)) ?? [];
  expect(command).toBe(`k8s-single logs --name hints --data-dir ${g.dataDir} a`);
  expect(await outputOf(command)).toContain('my last words');
});

it('the hint of a slow boot shows the logs of that node', async () => {
  const g = await graph(
    'hints',
    `  a: { command: [sh, -c, 'echo wait for me; exec sleep 1000'], ready: { file: /no/such } }\n`,
    {
      settings: 'timeouts: { boot: 1s }',
    },
  );
  const { stderr } = await g.exited();
  const [, command = ''] = /see why: (.*); or raise --timeout/.exec(String(stderr)) ?? [];
  expect(command).toBe(`k8s-single logs --name hints --data-dir ${g.dataDir}`);
  expect(await outputOf(command)).toContain('wait for me');
});

it.each([
  ['status', 'k8s-single up --name hints'],
  ['kubectl', 'k8s-single up --name hints'],
])('%s of a node that is not running names that node in its hint', async (command, hint) => {
  const { stderr } = await cli([command, '--name', 'hints']);
  expect(String(stderr).split('\n').at(-1)?.trim()).toBe(hint);
});

it('the hint of an up of a running node takes down that node', async () => {
  const g = await graph('hints', `  a: { command: [sleep, '1000'] }\n`);
  await g.ready();
  const { stderr } = await cli(['up', '--name', 'hints']);
  expect(String(stderr)).toContain('node hints is already running\n  k8s-single down --name hints');
  expect(await outputOf('k8s-single down --name hints')).toBe('node hints is down');
});
