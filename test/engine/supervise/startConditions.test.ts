import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Command } from '../../../src/engine/component.ts';
import { testGraph } from '../../support/engine.ts';

const command = { file: '/bin/sh', args: ['-c', 'umask; pwd; env'] };

/** What a task with this command prints. */
async function linesOf(more: Partial<Command>): Promise<string[]> {
  const t = await testGraph();
  await t.up([{ kind: 'task', name: 'a', needs: [], run: { command: { ...command, ...more } } }]).ready;
  return (await readFile(join(t.dir, 'log/a.log'), 'utf8')).trim().split('\n');
}

it('a process has the environment, umask and working folder of the supervisor, and more variables', async () => {
  vi.stubEnv('INHERITED', 'yes');
  onTestFinished(() => void vi.unstubAllEnvs());
  const before = process.umask(0o027);
  onTestFinished(() => void process.umask(before));
  const lines = await linesOf({ env: { A: '1' } });
  expect(lines.slice(0, 2)).toEqual(['0027', process.cwd()]);
  expect(lines).toEqual(expect.arrayContaining(['INHERITED=yes', 'A=1']));
});

it('or those of its command alone; the supervisor keeps its own', async () => {
  const before = process.umask(0o077);
  onTestFinished(() => void process.umask(before));
  const lines = await linesOf({ env: { A: '1' }, inheritEnv: false, umask: 0o022, cwd: '/' });
  expect(lines).toEqual(['0022', '/', 'A=1', 'PWD=/']);
  expect(process.umask()).toBe(0o077);
});
