import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { lockFile } from '../../src/isolate/lock.ts';
import { nodePaths } from '../../src/paths.ts';
import { cli } from '../support/cli.ts';

it('a node that had just begun to start is down, and not was not running', async () => {
  const { run } = nodePaths('down-test');
  await mkdir(run, { recursive: true });
  await writeFile(lockFile(run), '');
  const { stderr } = await cli(['down', '--name', 'down-test']);
  expect(String(stderr)).toContain('node down-test is down');
  expect(existsSync(run)).toBe(false);
});
