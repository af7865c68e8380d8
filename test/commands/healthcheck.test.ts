import { statSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { cli, main } from '../support/cli.ts';
import { graph } from '../support/graph.ts';

describe('healthcheck', () => {
  it('exits 0 when everything is ready, else 1 with the reasons on stdout', async () => {
    const g = await graph(
      'healthcheck',
      `  a: { command: [sleep, '1000'] }\n  b: { command: [sleep, '1001'], needs: [a] }\n`,
    );
    await g.ready();
    expect(await g.run('healthcheck')).toEqual({ code: 0, stdout: 'ready', stderr: '' });
    await g.run('stop', 'a');
    expect(await g.run('healthcheck')).toEqual({
      code: 1,
      stdout: expect.stringMatching(/^a stopped/),
      stderr: '',
    });
    await g.down();
    expect(await g.run('healthcheck')).toEqual({
      code: 1,
      stdout: 'node healthcheck is not running',
      stderr: '',
    });
  });

  it.each([[[]], [['--name', 'none']]])('loads hardly any code: %j', async (args) => {
    const hook = join(import.meta.dirname, '../fixtures/cli/printLoadedModules.mjs');
    const { exitCode, stderr } = await execa(
      process.execPath,
      ['--import', hook, main, 'healthcheck', ...args],
      {
        env: { K8S_SINGLE_NAME: 'none' },
        reject: false,
      },
    );
    expect(exitCode).toBe(1);
    const loaded = stderr.split('\n').filter((line) => line.startsWith('file:'));
    const sizes = loaded.map((url) => statSync(new URL(url)).size);
    // The smallest of the libraries has 100 kB.
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(20_000);
    expect(loaded.length).toBeLessThan(10);
  });

  it('accepts its option in every form', async () => {
    const { exitCode, stdout } = await cli(['healthcheck', '--name=none']);
    expect([exitCode, stdout]).toEqual([1, 'node none is not running']);
    expect((await cli(['healthcheck', '--nam', 'none'])).exitCode).toBe(2);
  });

  it('mentions Docker in its help', async () => {
    expect((await cli(['healthcheck', '--help'])).stdout).toContain('HEALTHCHECK');
  });

  it.each([['../../tmp/x'], ['..'], ['']])('takes no name that leads elsewhere: "%s"', async (name) => {
    const { exitCode, stdout } = await cli(['healthcheck', '--name', name]);
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining(`"${name}" is no name of a node`)]);
  });
});
