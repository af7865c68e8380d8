import { closeSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { notRunning } from '../../src/control/node.ts';
import { recordEnd, removeRunFolder, takeLock } from '../../src/instance/lock.ts';
import { explainAbsence } from '../../src/instance/lifeState.ts';
import { readNodeFile, writeNodeFile } from '../../src/instance/nodeFile.ts';
import { NodeLocks, recordSupervisor } from '../../src/instance/nodeLocks.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli } from '../support/cli.ts';

let name = '';
let run = '';
beforeEach(() => {
  name = `test-${randomBytes(4).toString('hex')}`;
  run = nodePaths(name).run;
  onTestFinished(() => rmSync(run, { recursive: true, force: true }));
});

/** What `status` and `healthcheck` say, which is the same. */
async function said(): Promise<string> {
  const { message } = (await explainAbsence(name, notRunning(name, undefined))) as Error;
  const status = await cli(['status', '--name', name]);
  expect(String(status.stderr).split('\n')[0]).toBe(`k8s-single: ${message}`);
  expect(String((await cli(['healthcheck', '--name', name])).stdout)).toBe(message);
  return message;
}

test('a node is not running, starting, or being taken down, and up waits only for the last', async () => {
  expect(await said()).toBe(`node ${name} is not running`);
  const locks = new NodeLocks();
  await locks.acquireNode(name, run);
  onTestFinished(() => locks.handOver());
  expect(await said()).toBe(`node ${name} is starting, and does not answer yet`);
  recordSupervisor(run, '/data');
  expect(await said()).toBe(`node ${name} is starting, and does not answer yet`);
  await expect(new NodeLocks().acquireNode(name, run)).rejects.toThrow(`node ${name} is already running`);

  // Its supervisor has died: nothing listens on the control socket.
  await writeNodeFile({ name, pid: 1, ip: '127.0.0.1', dataDir: '/data' });
  const died = `node ${name} is being taken down, or its supervisor has died`;
  expect(await said()).toBe(died);
  const next = new NodeLocks();
  const started = next.acquireNode(name, run);
  await recordEnd(run);
  expect(await said()).toBe(died);
  removeRunFolderAndAll();
  locks.handOver();
  await started;
  next.release();
});

function removeRunFolderAndAll(): void {
  rmSync(join(run, 'node.json'));
  removeRunFolder(run);
}

test.each(['', '{"name": "te', '[]', '{"name":"other","dataDir":"/data"}'])(
  'a node file that is damaged is said to be: %j',
  async (text) => {
    mkdirSync(run, { recursive: true });
    closeSync((await takeLock(run))!);
    writeFileSync(join(run, 'node.json'), text);
    await expect(readNodeFile(name)).rejects.toMatchObject({
      code: 'preflight',
      message: `${run}/node.json is damaged: it does not describe node ${name}`,
    });
    const { exitCode, stderr } = await cli(['kubectl', '--name', name, '--', 'version']);
    expect(String(stderr)).toContain('node.json is damaged');
    expect(exitCode).toBe(3);
  },
);
