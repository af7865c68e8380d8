/**
 * A program: `node engineRun.js task|process|spawn SHAPE COUNT`. Brings one graph of trivial components up and down, in a
 * process of its own, and prints what that took of the processor, in ms: `{"up": MS, "down": MS, "rssMb": MB}`.
 *
 * `task`: components whose work is done at once, the engine alone. `process`: `sleep inf`, ready as soon as it is started.
 * `spawn`: no engine at all, node:child_process starts as many `sleep inf` and ends them in the same order.
 *
 * All of them in a process like that of a supervisor: what Node.js has built in is loaded, and V8 is told the same.
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
import { needsOf, shapes, stepOf } from './graphs.ts';
import { scratch } from './scratch.ts';

const [, , kind, wanted, number] = process.argv;
const shape = shapes.find((each) => each === wanted) ?? 'chain';
const count = Number(number);
const program = { file: 'sleep', args: ['inf'] };
setV8Flags();
const dir = await scratch();
try {
  const took = kind === 'spawn' ? await bare() : await engine();
  console.log(JSON.stringify({ ...took, rssMb: process.memoryUsage.rss() / 2 ** 20 }));
} finally {
  await rm(dir, { recursive: true });
}

/** The processor time of this process that `work` takes, all threads, in ms. */
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
 * As the engine must do it: each writes to a log of its own and leads a process group, and nothing ends before what needs it: libuv
 * looks at all that run whenever one has ended, so one by one costs more than all at once.
 */
async function bare(): Promise<{ up: number; down: number }> {
  const steps: { pid: number; ended: Promise<unknown> }[][] = [];
  const cpuUp = await cpuOf(async () => {
    for (let i = 0; i < count; i += 1) {
      const log = openSync(join(dir, `c${i}.log`), 'a');
      const child = spawn(program.file, program.args, { stdio: ['ignore', log, log], detached: true });
      closeSync(log);
      const ended = once(child, 'exit');
      await once(child, 'spawn');
      (steps[stepOf(shape, i)] ??= []).push({ pid: child.pid ?? 0, ended });
    }
  });
  const cpuDown = await cpuOf(async () => {
    for (const step of steps.toReversed()) {
      for (const { pid } of step) process.kill(-pid, 'SIGTERM');
      await Promise.all(step.map(async ({ ended }) => ended));
    }
  });
  return { up: cpuUp, down: cpuDown };
}
