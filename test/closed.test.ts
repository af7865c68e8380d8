import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { cli } from './support/cli.ts';

/** The option of execa that gives a program another environment than that of the tests. */
const another = /extendEnv: false/;

it('no node of this test suite reaches another machine', async () => {
  expect(process.env['K8S_SINGLE_EGRESS']).toBe('none');
  expect((await loadNodeConfig({})).node.network.egress).toBe('none');
  const options = { env: { PATH: process.env['PATH'] }, extendEnv: false };
  const { stdout } = await cli(['config', 'show'], options);
  expect(stdout).toMatch(/^ {2}egress: none$/m);
});

it('a test that runs programs in another environment closes them as well', () => {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, readFileSync(join(import.meta.dirname, file), 'utf8')] as const);
  const open = files.filter(([, text]) => another.test(text) && !/\.\.\.closed\b/.test(text));
  // The first asks for the config alone, the second starts graphs without Kubernetes.
  expect(open.map(([file]) => file).toSorted()).toEqual(['closed.test.ts', 'commands/environment.test.ts']);
});
