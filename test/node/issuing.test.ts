import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { contents, identity, temporaryFolder } from '../support/pki.ts';

const dist = join(import.meta.dirname, '../../dist/src/node/issuing.js');

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
