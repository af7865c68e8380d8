import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { graph } from '../support/graph.ts';

const [maxMiB, keep] = [8, 2];
const lines = 4_000_000;
/** 200 MB of numbered lines. */
const flood = `seq -f "line %.0f ${'x'.repeat(38)}" 1 ${lines}; touch done; exec sleep 1000`;

async function residentBytes(pid: number): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

it('a component that writes 200 MB costs the supervisor no memory, blocks nothing and stays within its size limit', async () => {
  const g = await graph(
    'rotation',
    `  calm: { command: [sleep, '1000'] }
  flood: { command: [sh, -c, '${flood}'], workingDir: '\${config.dir}', needs: [calm] }\n`,
    { settings: `logs: { maxMiB: ${maxMiB}, keep: ${keep} }` },
  );
  await g.ready();
  const before = await residentBytes(g.pid);
  let most = 0;
  while (!existsSync(join(g.dir, 'done'))) {
    expect((await g.run('status')).code).toBe(0);
    most = Math.max(most, (await residentBytes(g.pid)) - before);
  }
  const logs = join(g.dataDir, 'log');
  const sizes = async (): Promise<Record<string, number>> => {
    const names = (await readdir(logs)).filter((name) => name.startsWith('flood')).toSorted();
    const of = async (name: string): Promise<[string, number]> => [name, (await stat(join(logs, name))).size];
    return Object.fromEntries(await Promise.all(names.map(of)));
  };
  await expect
    .poll(async () => (await sizes())['flood.log'], { timeout: 20_000 })
    .toBeLessThanOrEqual(maxMiB << 20);
  expect(most).toBeLessThan(48 << 20);
  const { 'flood.log': current, ...rotated } = await sizes();
  expect(current).toBeDefined();
  expect(Object.keys(rotated).length).toBeGreaterThan(0);
  expect(Object.keys(rotated).length).toBeLessThanOrEqual(keep);
  for (const size of Object.values(rotated)) expect(size).toBeLessThanOrEqual((2 * maxMiB) << 20);
  expect((await g.run('logs', 'flood', '--tail', '2')).stdout).toMatch(
    new RegExp(`^line ${lines - 1} x+\nline ${lines} x+$`),
  );
}, 120_000);
