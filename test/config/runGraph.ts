import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import type { Event } from '../../src/component.ts';
import { install } from '../../src/install/install.ts';
import { nodeNeeds } from '../../src/install/needs.ts';
import { cacheDir } from '../../src/paths.ts';

const fixtures = join(import.meta.dirname, '../fixtures');
const dist = join(import.meta.dirname, '../../dist');

/** The graph of a config that runs in a network and a /var and /run of its own. */
export interface GraphRun {
  readonly events: readonly Event[];
  /** Resolves with the next event, past or to come, that fits. */
  until(fits: (event: Event) => boolean): Promise<Event>;
  /** What this address answers inside. */
  get(url: string): Promise<string>;
  /** Stops the graph and resolves with the exit code, when everything is gone. */
  stop(): Promise<number | undefined>;
}

/** Runs the graph of the config and resolves when all of it is ready. It ends with the test. */
export async function runGraph(config: string, env: Record<string, string>): Promise<GraphRun> {
  const { files } = await install({
    binDirs: [],
    cacheDir: cacheDir(),
    needs: nodeNeeds.filter(({ name }) => name === 'ip'),
  });
  const logs = await mkdtemp(join(tmpdir(), 'k8s-single-graph-'));
  const box = ['--net', '--mount', join(fixtures, 'legacy/box.sh')];
  const graph = [process.execPath, join(fixtures, 'config/graph.mjs'), dist, config, logs];
  const child = execa('unshare', [...box, ...graph], {
    env: { ...env, IP: files.ip },
    reject: false,
    buffer: { stdout: false, stderr: true },
  });
  const stop = async (): Promise<number | undefined> => {
    child.kill('SIGTERM');
    return (await child).exitCode;
  };
  onTestFinished(async () => {
    await stop();
    await rm(logs, { recursive: true });
  });
  const events: Event[] = [];
  const news = new EventEmitter();
  const until = async (fits: (event: Event) => boolean): Promise<Event> => {
    for (;;) {
      const found = events.find(fits);
      if (found !== undefined) return found;
      await once(news, 'event');
    }
  };
  const get = async (url: string): Promise<string> => {
    const script = `process.stdout.write(await (await fetch(process.argv[1])).text())`;
    const node = [process.execPath, '--input-type=module', '--eval', script, url];
    return (await execa('nsenter', ['--net', '--target', String(child.pid), ...node])).stdout;
  };
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line) as Event | { type: 'up' };
      if (event.type === 'up') return resolve();
      events.push(event);
      news.emit('event');
    });
  });
  const ended = child.then(({ stderr }) => {
    throw new Error(
      `the graph ended:\n${stderr}\n${events.map((event) => JSON.stringify(event)).join('\n')}`,
    );
  });
  await Promise.race([ready, ended]);
  // From now on an end is what the test asks for.
  ended.catch(() => undefined);
  return { events, until, get, stop };
}
