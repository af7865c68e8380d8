import { spawnSync } from 'node:child_process';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { client } from '../../src/control/client.ts';
import { serve } from '../../src/control/server.ts';
import { serving } from './serving.ts';
import type { Serving } from './serving.ts';

let served: Serving;

beforeEach(async () => {
  served = await serving();
});

afterEach(() => served[Symbol.asyncDispose]());

describe('the socket', () => {
  it('is accessible only to its owner', async () => {
    expect((await stat(served.path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(served.folder, 'default'))).mode & 0o777).toBe(0o700);
  });

  it('restricts a folder that was open', async () => {
    const open = join(served.folder, 'open');
    await mkdir(open);
    await chmod(open, 0o777);
    const second = await serve(join(open, 'control.sock'), served.node);
    expect((await stat(open)).mode & 0o777).toBe(0o700);
    await second.close();
  });

  it('refuses a second server while the first runs', async () => {
    await expect(serve(served.path, served.node)).rejects.toMatchObject({
      code: 'preflight',
      message: 'node default is already running',
    });
    expect(await client(served.path).status()).toMatchObject({ version: 1 });
  });

  it('replaces a stale socket', async () => {
    const stale = join(served.folder, 'stale', 'control.sock');
    await (await serve(stale, served.node)).close();
    const script = `require('net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL');
    expect((await stat(stale)).isSocket()).toBe(true);
    await expect(client(stale).status()).rejects.toMatchObject({ code: 'notReady' });
    const second = await serve(stale, served.node);
    expect(await client(stale).status()).toMatchObject({ version: 1 });
    await second.close();
  });

  it('does not remove a file that is not a socket', async () => {
    const other = join(served.folder, 'file', 'control.sock');
    await (await serve(other, served.node)).close();
    await writeFile(other, 'precious');
    await expect(serve(other, served.node)).rejects.toThrow(`${other} is in the way: it is not a socket`);
  });

  it('refuses a path that is too long', async () => {
    await expect(serve(join(served.folder, 'x'.repeat(100)), served.node)).rejects.toMatchObject({
      code: 'preflight',
    });
  });

  it('is removed by close', async () => {
    await served.close();
    await expect(stat(served.path)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(client(served.path).status()).rejects.toMatchObject({
      code: 'notReady',
      message: 'node default is not running',
      hint: 'k8s-single up',
    });
  });
});
