import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { etcd as healthy } from '../../../probes/kinds/etcd.ts';
import { httpClient } from '../../../probes/transport/httpClient.ts';
import { parseJson, textAt } from '../../../probes/transport/json.ts';
import { until } from '../../../probes/until.ts';
import { etcdSpaceTask } from '../../../src/kubernetes/components/etcdSpace.ts';
import { testBinaries } from '../../support/installBinaries.ts';

const never = new AbortController().signal;
const quota = 16 * 1024 * 1024;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

/** A real etcd with a small quota. */
async function startEtcd() {
  const dir = await mkdtemp(join(tmpdir(), 'k8s-single-space-'));
  const [port, peer] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const { etcd } = await testBinaries('etcd');
  const args = [
    `--data-dir=${dir}`,
    `--quota-backend-bytes=${quota}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
  ];
  const process = execa(etcd, args, {
    reject: false,
    stdio: 'ignore',
    env: { ETCD_UNSUPPORTED_ARCH: 'arm64' },
  });
  onTestFinished(async () => {
    process.kill('SIGKILL');
    await process;
    await rm(dir, { recursive: true, force: true });
  });
  await until(healthy(url), { timeoutMs: 20_000 }, never);
  const post = async (path: string, body: object): Promise<string> =>
    textAt(
      parseJson(
        (await httpClient(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })(never)).body,
      ),
      'error',
    );
  return {
    url,
    /** Resolves with etcd's error; empty if the write was accepted. */
    put: async (key: string, bytes = 150_000): Promise<string> =>
      post('kv/put', { key: btoa(key), value: randomBytes(bytes).toString('base64') }),
    delete: async (key: string): Promise<string> => post('kv/deleterange', { key: btoa(key) }),
  };
}

test('old revisions that reach the quota make etcd-space not ready, and are removed', async () => {
  const { url, put } = await startEtcd();
  const task = etcdSpaceTask({ url }, []);
  const run = task.run as (signal: AbortSignal, report: (reason: string) => void) => Promise<void>;
  await run(never, () => undefined);
  await task.live!(never);
  let refused = '';
  for (let i = 0; refused === ''; i++) refused = await put(`key${i % 5}`);
  expect(refused).toContain('database space exceeded');
  await expect(task.live!(never)).rejects.toThrow(
    /^etcd takes no more writes: its database has reached its quota \(alarm NOSPACE; 1[678] MiB of a quota of 16 MiB\)\. Delete objects, or raise it: components\.etcd\.args \[--quota-backend-bytes=BYTES\]$/,
  );
  await run(never, () => undefined);
  await task.live!(never);
  expect(await put('key')).toBe('');
});

test('a start repairs an alarm of the last one, also when the database is full of objects', async () => {
  const { url, put, delete: remove } = await startEtcd();
  let count = 0;
  while ((await put(`key${count}`)) === '') count++;
  // With the alarm, etcd is not ready.
  await expect(healthy(url)(never)).rejects.toThrow('etcd is not healthy');
  const task = etcdSpaceTask({ url }, []);
  const run = task.run as (signal: AbortSignal, report: (reason: string) => void) => Promise<void>;
  await run(never, () => undefined);
  await healthy(url)(never);
  // Up to 95 % of the quota.
  const isFree = async (): Promise<boolean> =>
    task.live!(never).then(
      () => true,
      () => false,
    );
  while (await isFree()) expect(await put(`more${count++}`, 50_000)).toBe('');
  const nearlyFull = /^etcd's database is nearly full: 1[56] MiB of a quota of 16 MiB/;
  await expect(task.live!(never)).rejects.toThrow(nearlyFull);
  // Only for a start that is no reason to fail.
  await expect(run(never, () => undefined)).rejects.toThrow(nearlyFull);
  for (let i = 0; i < count; i += 2) expect(await remove(`key${i}`)).toBe('');
  // The next start has not defragmented a moment ago.
  const next = etcdSpaceTask({ url }, []);
  await (next.run as typeof run)(never, () => undefined);
  await expect(next.live!(never)).rejects.toThrow(/nearly full|no more writes/);
  await (next.run as typeof run)(never, () => undefined);
  await next.live!(never);
});

test('an etcd that does not answer is not a matter of space', async () => {
  await etcdSpaceTask({ url: `http://127.0.0.1:${await freePort()}` }, []).live!(never);
});
