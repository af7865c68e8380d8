import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import type { Event } from '../../src/component.ts';

const fixtures = join(import.meta.dirname, '../fixtures');
const dist = join(import.meta.dirname, '../../dist');

/** The graph of a config that runs in a network and a /var and /run of its own. */
export interface GraphRun {
  readonly events: readonly Event[];
  /** Stops the graph and resolves with the exit code, when everything is gone. */
  stop(): Promise<number | undefined>;
}

/** Runs the graph of the config and resolves when all of it is ready. It ends with the test. */
export async function runGraph(config: string, env: Record<string, string>): Promise<GraphRun> {
  const logs = await mkdtemp(join(tmpdir(), 'k8s-single-graph-'));
  const box = ['--net', '--mount', join(fixtures, 'legacy/box.sh')];
  const graph = [process.execPath, join(fixtures, 'config/graph.mjs'), dist, config, logs];
  const child = execa('unshare', [...box, ...graph], {
    env,
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
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as Event | { type: 'up' };
    if (event.type === 'up') {
      // What follows is read, too, so that nobody waits for a reader.
      createInterface({ input: child.stdout }).on('line', (later) => events.push(JSON.parse(later) as Event));
      return { events, stop };
    }
    events.push(event);
  }
  throw new Error(
    `the graph ended:\n${(await child).stderr}\n${events.map((event) => JSON.stringify(event)).join('\n')}`,
  );
}
