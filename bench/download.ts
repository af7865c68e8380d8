import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { install } from '../src/install/install.ts';
import { publisherClient } from '../src/install/release/client.ts';
import { download } from '../src/install/release/download.ts';
import { cacheDir } from '../src/lib/paths.ts';
import { median, RowCollector } from './rows.ts';
import type { Row } from './rows.ts';

/** Of one download: a whole set of binaries has about as much. In bytes. */
const bytes = 400 * 2 ** 20;
const pieceBytes = 2 ** 20;
/** How often the search without an installation runs in a round; the value of the round is the median. */
const repetitions = 20;
const searchGoalMs = 5;

/** Sends the same piece again and again, so that it costs less than what is measured. */
const server = `
const piece = Buffer.from(process.argv[1], 'base64');
require('node:http').createServer(async (_request, response) => {
  response.writeHead(200, { 'content-length': ${bytes} });
  for (let sent = 0; sent < ${bytes}; sent += piece.length)
    if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve));
  response.end();
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
`;

/**
 * A download of 400 MiB from loopback to disk, checked, compared with curl and sha256sum on the way to disk and without one. And
 * what looking for binaries costs an \`up\` that has them all.
 */
export async function measureDownload(rounds: number): Promise<Row[]> {
  const dir = await mkdtemp('/var/tmp/k8s-single-bench-');
  // The kernel limits an argument to 128 KiB.
  const piece = randomBytes(64 * 2 ** 10);
  const repeated = Buffer.concat(Array.from({ length: pieceBytes / piece.length }, () => piece));
  const hash = createHash('sha256');
  for (let at = 0; at < bytes; at += pieceBytes) hash.update(repeated);
  const expected = hash.digest('hex');
  const child = spawn(process.execPath, ['-e', server, piece.toString('base64')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [port]: unknown[] = await once(child.stdout, 'data');
    const url = `http://127.0.0.1:${String(port).trim()}/file`;
    const collector = new RowCollector();
    for (let round = 0; round < rounds; round += 1) {
      const tee = shellMs(
        `curl -sS ${url} | tee ${join(dir, 'curl')} | sha256sum && sync ${join(dir, 'curl')}`,
        expected,
      );
      await rm(join(dir, 'curl'));
      const pipe = shellMs(`curl -sS ${url} | sha256sum`, expected);
      const row = 'download: 400 MiB, checked';
      // The yardstick is the pipe without a disk: ours has to reach 0.8 of its speed.
      collector.add(await downloadMs(url, join(dir, 'own'), expected), {
        row,
        competitor: 'k8s-single',
        unit: 'ms',
      });
      collector.add(pipe, { row, competitor: 'curl to sha256sum', unit: 'ms' });
      collector.add(tee, { row, competitor: 'curl, tee, sha256sum, sync', unit: 'ms' });
      const search = {
        row: 'download: nothing is missing',
        competitor: 'k8s-single',
        unit: 'ms',
        goal: searchGoalMs,
      };
      collector.add(await searchMs(), search);
    }
    return collector.rows();
  } finally {
    child.kill();
    await rm(dir, { recursive: true, force: true });
  }
}

function shellMs(command: string, expected: string): number {
  const begin = performance.now();
  const { stdout } = spawnSync('sh', ['-c', command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ms = performance.now() - begin;
  return stdout.startsWith(expected) ? ms : Infinity;
}

const nothing = (): undefined => undefined;

async function downloadMs(url: string, file: string, expected: string): Promise<number> {
  await writeFile(file, '');
  const begin = performance.now();
  const digest = await download({
    client: publisherClient(),
    url,
    file,
    algorithm: 'sha256',
    signal: new AbortController().signal,
    onBytes: nothing,
    onRetry: nothing,
  });
  const ms = performance.now() - begin;
  await rm(file);
  return digest === expected ? ms : Infinity;
}

async function searchMs(): Promise<number> {
  const values: number[] = [];
  for (let i = 0; i < repetitions; i += 1) {
    const begin = performance.now();
    await install({ binDirs: [], cacheDir: cacheDir(), noInstall: true });
    values.push(performance.now() - begin);
  }
  return median(values);
}
