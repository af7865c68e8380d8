/**
 * A program: `node engineRun.js task|process|spawn SHAPE COUNT`. Starts and stops one graph of trivial components, in a process
 * of its own, and prints the processor time that it took, in ms: `{"up": MS, "down": MS, "rssMb": MB}`.
 *
 * `task`: tasks that do nothing: the engine alone. `process`: `sleep inf`, ready as soon as it has started.
 * `spawn`: without the engine; node:child_process starts as many `sleep inf`, and stops them in the same order.
 *
 * The process resembles a supervisor: built-in modules are loaded, and V8's flags are set.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Unhealthy } from '../probes/probe.ts';
import { setV8Flags } from '../src/programs/v8Flags.ts';
import type { Component, Event } from '../src/engine/component.ts';
import { startGraph } from '../src/engine/startGraph.ts';
import { makeLogFolder, needsOf, shapes, stepOf } from './graphs.ts';

const [, , kind, shapeName, countText] = process.argv;
const shape = shapes.find((each) => each === shapeName) ?? 'chain';
const count = Number(countText);
const program = { file: 'sleep', args: ['inf'] };
setV8Flags();
const dir = await makeLogFolder();
try {
  const usage = kind === 'spawn' ? await spawnOnly() : await engine();
  console.log(JSON.stringify({ ...usage, rssMb: process.memoryUsage.rss() / 2 ** 20 }));
} finally {
  await rm(dir, { recursive: true });
}

/** The processor time that `work` takes in all threads of this process, in ms. */
async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function engine(): Promise<{ up: number; down: number }> {
  const started = new Set<string>();
  const components = Array.from({ length: count }, (_, i) => component(i, started));
  const emit = ({ type, component: name }: Event): void => {
    if (type === 'starting') started.add(name);
  };
  let running: ReturnType<typeof startGraph> | undefined;
  const cpuUp = await cpuOf(async () => {
    running = startGraph(components, { emit, logDir: dir, timeoutMs: 600_000 });
    await running.ready;
  });
  return { up: cpuUp, down: await cpuOf(async () => running?.down()) };
}

function component(index: number, started: ReadonlySet<string>): Component {
  const name = `c${index}`;
  const needs = needsOf(shape, index).map((other) => `c${other}`);
  if (kind === 'task') return { kind: 'task', name, needs, run: async () => undefined };
  const ready = async (): Promise<void> => {
    if (!started.has(name)) throw new Unhealthy('not started yet');
  };
  return { kind: 'service', name, needs, command: program, ready };
}

/**
 * Does what the engine must do: each process has a log and a process group of its own, and stops after its dependents. The
 * order matters: libuv checks all children whenever one has exited, so stopping them one by one costs more than all at once.
 */
async function spawnOnly(): Promise<{ up: number; down: number }> {
  const steps: { pid: number; exited: Promise<unknown> }[][] = [];
  const cpuUp = await cpuOf(async () => {
    for (let i = 0; i < count; i += 1) {
      const log = openSync(join(dir, `c${i}.log`), 'a');
      const child = spawn(program.file, program.args, { stdio: ['ignore', log, log], detached: true });
      closeSync(log);
      const exited = once(child, 'exit');
      await once(child, 'spawn');
      (steps[stepOf(shape, i)] ??= []).push({ pid: child.pid ?? 0, exited });
    }
  });
  const cpuDown = await cpuOf(async () => {
    for (const step of steps.toReversed()) {
      for (const { pid } of step) process.kill(-pid, 'SIGTERM');
      await Promise.all(step.map(async ({ exited }) => exited));
    }
  });
  return { up: cpuUp, down: cpuDown };
}
