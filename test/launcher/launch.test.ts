import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { beginBox } from '../../src/launcher/beginBox.ts';
import type { UpOptions } from '../../src/supervisor/options.ts';
import { giveBack, lockNode } from '../../src/instance/lock.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { tempDir } from '../support/cli.ts';

it.for(['what it has said\n', ''])(
  'a node that runs keeps its log (%j) when somebody tries to start it again',
  async (said) => {
    const dataDir = await tempDir('box');
    const name = 'box-test';
    const options: UpOptions = { detach: true, install: false, source: 'auto', output: 'plain' };
    const { run, logs } = nodePaths(name, dataDir);
    const lock = await lockNode(run);
    onTestFinished(() => giveBack(run, lock!));
    const log = join(logs, 'supervisor.log');
    await mkdir(logs);
    await writeFile(log, said);
    await expect(beginBox(options, { name, dataDir })).rejects.toThrow('node box-test is already running');
    expect(await readFile(log, 'utf8')).toBe(said);
  },
);
