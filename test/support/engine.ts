import { EventEmitter, on } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { file } from '../../probes/kinds/file.ts';
import type { Component, Event, RestartPolicy, Service, Task } from '../../src/engine/component.ts';
import { startGraph } from '../../src/engine/startGraph.ts';
import type { RunningGraph } from '../../src/engine/startGraph.ts';

const fixtures = join(import.meta.dirname, '../fixtures/engine');

/** A graph under test in a folder of its own. Everything that it started is stopped at the end of the test. */
export interface TestGraph {
  readonly dir: string;
  readonly events: Event[];
  /** Resolves with the next matching event, past or future, that it has not returned before. */
  next<T extends Event['type']>(component: string, type: T): Promise<Extract<Event, { type: T }>>;
  /** Calls the listener synchronously for each event. */
  onEvent(listener: (event: Event) => void): void;
  up(
    components: readonly Component[],
    options?: { timeoutMs?: number; beforeRestart?: () => Promise<void> },
  ): RunningGraph;
}

export async function testGraph(): Promise<TestGraph> {
  const dir = await mkdtemp(join(tmpdir(), 'k8s-single-engine-'));
  const events: Event[] = [];
  const returned = new Set<Event>();
  const emitter = new EventEmitter().setMaxListeners(0);
  let running: RunningGraph | undefined;
  onTestFinished(async () => {
    await running?.down().catch(() => undefined);
    await rm(dir, { recursive: true, force: true });
  });
  return {
    dir,
    events,
    onEvent: (listener) => void emitter.on('event', listener),
    async next(component, type) {
      const matches = (event: Event) =>
        event.component === component && event.type === type && !returned.has(event);
      let event = events.find(matches);
      if (event === undefined) {
        for await (const [candidate] of on(emitter, 'event') as AsyncIterable<[Event]>) {
          if (!matches(candidate)) continue;
          event = candidate;
          break;
        }
      }
      returned.add(event!);
      return event as never;
    },
    up(components, { timeoutMs = 60_000, beforeRestart } = {}) {
      const emit = (event: Event): void => {
        events.push(event);
        emitter.emit('event', event);
      };
      running = startGraph(components, { emit, logDir: join(dir, 'log'), timeoutMs, beforeRestart });
      return running;
    },
  };
}

/** A service that becomes ready and exits on command of the test. */
export interface Gated extends Service {
  open(): Promise<void>;
  send(command: `exit ${number}` | 'orphan'): Promise<void>;
}

export async function gated(
  dir: string,
  name: string,
  more: Partial<Omit<Service, 'kind' | 'name'>> = {},
): Promise<Gated> {
  const [gate, ready, commands] = ['gate', 'ready', 'commands'].map((part) => join(dir, `${name}.${part}`));
  await execa('mkfifo', [gate!, commands!]);
  return {
    kind: 'service',
    name,
    needs: [],
    command: { file: join(fixtures, 'gated.sh'), args: [gate!, ready!, commands!] },
    ready: file(ready!),
    ...more,
    // Opening a fifo for writing blocks until the program opens it for reading, so no polling is needed.
    open: async () => writeFile(gate!, '\n'),
    send: async (command) => writeFile(commands!, `${command}\n`),
  };
}

/** A service that is ready at once and ignores SIGTERM. */
export function stubborn(
  dir: string,
  name: string,
  more: Partial<Omit<Service, 'kind' | 'name'>> = {},
): Service {
  const ready = join(dir, `${name}.ready`);
  return {
    kind: 'service',
    name,
    needs: [],
    command: { file: join(fixtures, 'stubborn.sh'), args: [ready] },
    ready: file(ready),
    ...more,
  };
}

/** A service of the shell without a readiness probe, as a config makes it. */
export function shell(
  name: string,
  script: string,
  restart: Partial<RestartPolicy>,
  more: Partial<Omit<Service, 'kind' | 'name'>> = {},
): Service {
  const command = { file: 'sh', args: ['-c', script] };
  const ready = async (): Promise<void> => undefined;
  return { kind: 'service', name, needs: [], ports: [], command, ready, restart, ...more };
}

/** Whether the process exists; true for a zombie. */
export function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export function task(name: string, needs: Task['needs'], run: Task['run']): Task {
  return { kind: 'task', name, needs, run };
}
