import { EventEmitter, once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import type { Event } from '../../src/engine/component.ts';
import { loadConfig } from '../../src/config/loadConfig.ts';
import { install } from '../../src/install/install.ts';
import { nodeBinaries } from '../../src/install/find/binaries.ts';
import { cacheDir } from '../../src/lib/paths.ts';
import { main } from '../support/cli.ts';

const sandboxScript = join(import.meta.dirname, '../fixtures/legacy/sandbox.sh');

/** A graph started from the command line, with its own network, /var and /run. */
export interface GraphRun {
  readonly events: readonly Event[];
  /** Resolves with the first past or future event that matches. */
  until(matches: (event: Event) => boolean): Promise<Event>;
  /** The response body of a URL, requested inside. */
  get(url: string): Promise<string>;
  /** The standard output of a k8s-single command, run inside. */
  cli(...args: string[]): Promise<string>;
  /** Stops the graph and resolves with the exit code after all processes have exited. */
  stop(): Promise<number | undefined>;
}

/** Runs `up --config` and resolves when the whole graph is ready. It is stopped at the end of the test. */
export async function runGraph(config: string, env: Record<string, string>): Promise<GraphRun> {
  const { files } = await install({
    binDirs: [],
    cacheDir: cacheDir(),
    binaries: nodeBinaries.filter(({ name }) => name === 'ip'),
  });
  const names = Object.keys((await loadConfig(config)).components);
  const up = [process.execPath, main, 'up', '--config', resolve(config), '--output', 'json'];
  const child = execa('unshare', ['--net', '--mount', sandboxScript, ...up], {
    env: { ...env, IP: files.ip },
    reject: false,
    buffer: { stdout: false, stderr: true },
  });
  const stop = async (): Promise<number | undefined> => {
    child.kill('SIGTERM');
    return (await child).exitCode;
  };
  onTestFinished(async () => void (await stop()));
  const events: Event[] = [];
  const emitter = new EventEmitter().setMaxListeners(0);
  const until = async (matches: (event: Event) => boolean): Promise<Event> => {
    for (;;) {
      const found = events.find(matches);
      if (found !== undefined) return found;
      await once(emitter, 'event');
    }
  };
  const inside = async (...command: string[]): Promise<string> =>
    (await execa('nsenter', ['--net', '--mount', '--target', String(child.pid), ...command])).stdout;
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line) as Event);
    emitter.emit('event');
  });
  const ready = names.map(async (name) =>
    until(({ component, type }) => component === name && type === 'ready'),
  );
  const ended = child.then(({ stderr }) => {
    throw new Error(`the graph ended:\n${stderr}`);
  });
  await Promise.race([Promise.all(ready), ended]);
  // From now on, the exit is expected.
  ended.catch(() => undefined);
  const fetchScript = 'process.stdout.write(await (await fetch(process.argv[1])).text())';
  return {
    events,
    until,
    get: async (url) => inside(process.execPath, '--input-type=module', '--eval', fetchScript, url),
    cli: async (...args) => inside(process.execPath, main, ...args),
    stop,
  };
}
