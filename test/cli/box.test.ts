import { closeSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { upInBox } from '../../src/cli/box.ts';
import { configFor } from '../../src/cli/options.ts';
import type { UpOptions } from '../../src/cli/options.ts';
import type { Binaries } from '../../src/install/install.ts';
import { lockNode } from '../../src/isolate/lock.ts';
import { nodePaths } from '../../src/paths.ts';
import { tempDir } from '../support/cli.ts';

it('a node that runs keeps its log when somebody tries to start it again', async () => {
  const dataDir = await tempDir('box');
  const options: UpOptions = {
    name: 'box-test',
    dataDir,
    detach: true,
    install: false,
    source: 'auto',
    output: 'plain',
  };
  const config = await configFor(options);
  const { run, logs } = nodePaths(config.node.name, dataDir);
  const lock = await lockNode(run);
  onTestFinished(async () => {
    closeSync(lock!);
    await rm(run, { recursive: true });
  });
  const log = join(logs, 'supervisor.log');
  await mkdir(logs);
  await writeFile(log, 'what it has said\n');
  // It is refused before any of these is looked at.
  const binaries = { files: {}, searchPath: '' } as Binaries;
  await expect(upInBox({ options, config, binaries })).rejects.toThrow('node box-test is already running');
  expect(await readFile(log, 'utf8')).toBe('what it has said\n');
});
