import type { ChildProcess } from 'node:child_process';
import type { Server } from 'node:net';
import { Duplex } from 'node:stream';
import { openClaim } from '../instance/claim.ts';
import type { OpenClaim } from '../instance/claim.ts';
import type { NodeDirs } from '../instance/cleanUp.ts';
import { locked, refusals, spawnKeeper } from './shim.ts';
import type { Program } from './shim.ts';
import { inUse } from '../instance/lock.ts';
import { isRunning } from '../instance/start.ts';
import { notInstalled } from '../host/tool.ts';

/** A program that has been started in namespaces of its own, with the locks of its node in hand. */
export interface Kept {
  readonly child: ChildProcess;
  readonly control: Duplex;
  readonly claimed: OpenClaim;
  /** The process on the host that has the namespaces. Stays without an answer when there are none. */
  readonly pid: Promise<number>;
  /** How the keeper has ended. */
  readonly exit: Promise<number | NodeJS.Signals>;
}

/** @throws Failure `preflight` when the node runs already, or another one on its data; then it has left nothing. */
export async function keep(program: NodeDirs & Program, listener?: Server): Promise<Kept> {
  for (;;) {
    const claimed = openClaim(program);
    const child = await spawnKeeper(program, { ...claimed, listener }).catch(async (error: unknown) => {
      await claimed.withdraw();
      throw error;
    });
    const control = child.stdio[3];
    if (!(control instanceof Duplex)) throw new Error('no control descriptor');
    // When it has ended just now, its exit is the answer to whatever we say.
    control.on('error', () => {});
    const line = linesOf(control);
    const exit = exitOf(child);
    const first = await Promise.race([line(0), exit]);
    if (first === locked) return { child, control, claimed, pid: line(1).then(Number), exit };
    control.destroy();
    await claimed.withdraw();
    if (first !== refusals.stale) throw refusal(first, program);
  }
}

function refusal(exit: number | string, { name, data }: NodeDirs): Error {
  if (exit === refusals.running) return isRunning(name);
  if (exit === refusals.inUse) return inUse(data);
  if (exit === refusals.noFlock) return notInstalled('flock');
  return new Error(`what keeps node ${name} has ended before it had the locks: ${exit}`);
}

async function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve) => {
    child.once('exit', (code, killer) => resolve(killer ?? code ?? 0));
  });
}

/** What is said on the line with this number, from 0 on, as soon as it is. */
function linesOf(control: Duplex): (index: number) => Promise<string> {
  let said = '';
  control.setEncoding('utf8').on('data', (text: string) => (said += text));
  return async (index) => {
    for (;;) {
      const [line] = said.split('\n').slice(index, -1);
      if (line !== undefined) return line;
      await new Promise((resolve) => control.once('data', resolve));
    }
  };
}
