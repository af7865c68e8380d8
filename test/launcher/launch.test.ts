import { closeSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { removeRunFolder, takeLock } from '../../src/instance/lock.ts';
import { Launch } from '../../src/launcher/launch.ts';
import { openSupervisorLog } from '../../src/launcher/supervisorLog.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { Signals } from '../../src/lib/signals.ts';
import { tempDir } from '../support/cli.ts';

it.for(['old output\n', ''])(
  'a second start of a running node does not change its log (%j)',
  async (text) => {
    const dataDir = await tempDir('launch');
    const name = 'launch-test';
    const { run, logs } = nodePaths(name, dataDir);
    const lock = await takeLock(run);
    onTestFinished(() => {
      removeRunFolder(run);
      closeSync(lock!);
    });
    const log = join(logs, 'supervisor.log');
    await mkdir(logs);
    await writeFile(log, text);
    using signals = new Signals();
    await using launch = new Launch(signals);
    await expect(launch.start({ name, dataDir, openLog: openSupervisorLog })).rejects.toThrow(
      'node launch-test is already running',
    );
    expect(await readFile(log, 'utf8')).toBe(text);
  },
);

it('a log folder that is a file is named', async () => {
  const logs = join(await tempDir('launch'), 'log');
  await writeFile(logs, '');
  await expect(openSupervisorLog(logs)).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringContaining(`the log ${join(logs, 'supervisor.log')} cannot be written: EEXIST`),
    hint: 'remove what is in the way, or free some space',
  });
});
