import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { tcp } from '../../../probes/kinds/tcp.ts';
import { unix } from '../../../probes/kinds/unix.ts';
import { until } from '../../../probes/until.ts';
import { never, pass, reason } from '../../fixtures/probes/attempts.ts';
import { closedPort, folder, listen } from '../../fixtures/probes/servers.ts';

test('tcp: passes when the port accepts a connection, and closes it', async () => {
  const server = createServer();
  const { port } = await listen(server);
  const accepted = once(server, 'connection');
  await pass(tcp(port));
  const [socket] = await accepted;
  await once(socket.resume(), 'close');
});

test('tcp: connection refused', async () => {
  const port = await closedPort();
  expect(await reason(tcp(port))).toBe(`connection refused on 127.0.0.1:${port}`);
  expect(await reason(tcp(port, 'localhost'))).toBe(`connection refused on localhost:${port}`);
});

test('tcp: an unknown host name', async () => {
  expect(await reason(tcp(80, 'no-such-name.invalid'))).toBe(
    'the name in no-such-name.invalid:80 does not resolve',
  );
});

test('tcp: an abort rejects with its reason', async () => {
  await expect(tcp(1)(AbortSignal.abort('over'))).rejects.toBe('over');
  const stop = new AbortController();
  const { port } = await listen(createServer());
  const attempt = tcp(port)(stop.signal);
  stop.abort('over');
  await expect(attempt).rejects.toBe('over');
});

test('unix: passes when the socket accepts a connection', async () => {
  const path = `${folder()}/s`;
  expect(await reason(unix(path))).toBe(`there is no socket ${path}`);
  await listen(createServer(), path);
  await pass(unix(path));
});

test('unix: a stale socket fails', async () => {
  const path = `${folder()}/s`;
  const code = `require('node:net').createServer().listen(${JSON.stringify(path)})`;
  const child = spawn(process.execPath, ['-e', code], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await until(unix(path), { timeoutMs: 15_000 }, never());
  child.kill('SIGKILL');
  await exited;
  expect(await reason(unix(path))).toBe(`nothing listens on ${path}`);
});

test('unix: a regular file fails', async () => {
  const path = `${folder()}/s`;
  writeFileSync(path, '');
  expect(await reason(unix(path))).toBe(`nothing listens on ${path}`);
});
