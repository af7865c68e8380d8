import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { contents, identity, temporaryFolder } from '../../support/pki.ts';

const dist = join(import.meta.dirname, '../../../dist/src/kubernetes/pki/issuing.js');

/** Has everything issued below a new folder for each report there is, and stops while what that report says is made. */
const stoppedAtEach = `
import { mkdir } from 'node:fs/promises';
import { issue } from '${dist}';
const [dir, identity] = JSON.parse(process.argv[2]);
const server = 'https://127.0.0.1:6443';
const ends = [];
async function stoppedAt(nth) {
  const stop = new AbortController();
  const order = { name: 'n', identity, pkiDir: dir + '/' + nth + '/pki', kubeconfigDir: dir + '/' + nth + '/kubeconfig' };
  await mkdir(dir + '/' + nth);
  let told = 0;
  const report = () => {
    if (stop.signal.aborted) ends.push('told after it was stopped');
    else if (told++ === nth) stop.abort(new Error('stopped'));
  };
  return issue({ ...order, server, adminServer: server }, report, stop.signal).then(() => 'done', (reason) => reason.message);
}
do ends.push(await stoppedAt(ends.length));
while (ends.at(-1) !== 'done');
console.log(JSON.stringify(ends));
`;

test('a stop at any moment waits for the key that is being made, and leaves no half file', async () => {
  const dir = await temporaryFolder();
  const program = join(dir, 'stoppedAtEach.mjs');
  await writeFile(program, stoppedAtEach);
  const { stdout } = await execa(process.execPath, [program, JSON.stringify([dir, identity])]);
  const ends: string[] = JSON.parse(stdout);
  expect(ends.length).toBeGreaterThan(5);
  expect(new Set(ends.slice(0, -1))).toEqual(new Set(['stopped']));
  for (const nth of ends.keys())
    for (const [name, text] of Object.entries(await contents(join(dir, `${nth}`, 'pki'))))
      expect(text, name).toMatch(/^-----BEGIN [^]+-----END [^-]+-----\s*$/);
});

/** Has a process warmed up; then, by its first argument, kills it and gives it an order, or ends. Tells what came of it. */
const killed = `
import { existsSync, readFileSync } from 'node:fs';
import { issue, warmUp } from '${dist}';
const [dir, identity] = JSON.parse(process.argv[2]);
const order = { name: 'n', identity, pkiDir: dir + '/pki', kubeconfigDir: dir + '/kubeconfig', server: 's', adminServer: 's' };
const child = () => readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').split(' ').map(Number)[0];
warmUp(order.pkiDir);
const pid = child();
if (process.argv[3] === 'end') {
  console.log(pid);
} else {
  process.kill(pid, 'SIGSTOP');
  const said = issue(order, () => {}, new AbortController().signal).catch((error) => error);
  process.kill(pid, 'SIGKILL');
  const { code, message, hint } = await said;
  // The next order goes to another one.
  await issue(order, () => {}, new AbortController().signal);
  console.log(JSON.stringify([code, message, hint, existsSync(order.kubeconfigDir + '/admin.conf')]));
}
`;

test('a process that is killed at it is told with a hint, and the next order finds another one', async () => {
  const dir = await temporaryFolder();
  const program = join(dir, 'killed.mjs');
  await writeFile(program, killed);
  const { stdout } = await execa(process.execPath, [program, JSON.stringify([dir, identity])]);
  expect(JSON.parse(stdout)).toEqual([
    'preflight',
    'the process that makes the certificates ended too soon: SIGKILL',
    expect.stringContaining('dmesg'),
    true,
  ]);
});

test('a process without an order keeps nobody alive, and ends with who started it', async () => {
  const dir = await temporaryFolder();
  const program = join(dir, 'killed.mjs');
  await writeFile(program, killed);
  const { stdout } = await execa(process.execPath, [program, JSON.stringify([dir, identity]), 'end']);
  const pid = Number(stdout);
  expect(pid).toBeGreaterThan(0);
  await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 5000 }).toBe(false);
});
