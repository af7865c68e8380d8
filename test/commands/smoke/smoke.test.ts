import { expect, it } from 'vitest';
import { checks } from '../../../src/smoke/checks.ts';
import { cli } from '../../support/cli.ts';

it('lists its checks, as text and as JSON', async () => {
  const { exitCode, stdout } = await cli(['smoke', '--list']);
  expect(exitCode).toBe(0);
  expect(
    String(stdout)
      .split('\n')
      .map((line) => line.split(' ')[0]),
  ).toEqual(checks.map(({ name }) => name));
  const json = await cli(['smoke', '--list', '--output', 'json', '--only', 'logs,dns', '--skip', 'exec']);
  const listed = String(json.stdout)
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string });
  expect(listed.map(({ name }) => name)).toEqual([
    'pressure',
    'service-account',
    'pod',
    'logs',
    'dns',
    'namespace',
  ]);
});

it('refuses an unknown check with exit code 2 and suggests a known one', async () => {
  const { exitCode, stderr } = await cli(['smoke', '--only', 'node,servise']);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('no check is called "servise"; did you mean "service"?');
});

it('exits with 4 when the node is not running', async () => {
  const { exitCode, stderr } = await cli(['smoke', '--name', 'none-of-this-name']);
  expect(exitCode).toBe(4);
  expect(stderr).toContain('node none-of-this-name is not running');
});
