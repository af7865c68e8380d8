import { delimiter } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { debianRoot } from './debianRoot.ts';
import type { DebianRoot } from './debianRoot.ts';
import { runGraph } from './runGraph.ts';

let debian: DebianRoot;
beforeAll(async () => {
  debian = await debianRoot(['redis-server', 'busybox-static']);
}, 300_000);

test('a web app with its database and its file server, without Kubernetes', async () => {
  const run = await runGraph('config/examples/web.yaml', {
    ...debian.env,
    PATH: [debian.path, process.env['PATH']].join(delimiter),
  });
  expect(run.events.filter(({ type }) => type === 'exited')).toEqual([]);

  const page = await run.get('http://127.0.0.1:8080/');
  expect(page).toContain('<h1>Hello from Redis</h1><p>You are visitor 1.</p>');
  expect(page).toContain('font-family');

  const of = (component: string, type: string) =>
    run.events.filter((event) => event.component === component && event.type === type);
  const [first] = of('redis', 'starting');
  if (first?.type !== 'starting' || first.pid === undefined) throw new Error('redis has no pid');
  process.kill(first.pid, 'SIGKILL');
  await run.until(() => of('redis', 'ready').length === 2);
  expect(await run.get('http://127.0.0.1:8080/')).toContain('You are visitor 1.');

  // The app outlives its database, and says so.
  await run.cli('stop', 'redis', '--name', 'web');
  expect(await run.get('http://127.0.0.1:8080/')).toContain('ECONNREFUSED');
  await run.cli('start', 'redis', '--name', 'web');
  expect(await run.get('http://127.0.0.1:8080/')).toContain('You are visitor 1.');
  expect(of('app', 'starting')).toHaveLength(1);

  expect(await run.stop()).toBe(0);
});
