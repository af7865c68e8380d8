import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { Failure } from '../../lib/errors.ts';
import type { FailureCode } from '../../lib/errors.ts';
import { childEnv } from '../../lib/childEnv.ts';
import { programFile } from '../../lib/paths.ts';
import type { Order } from './issueAll.ts';

/** What the process says. */
export type Told =
  | { readonly report: string }
  | { readonly failure: { readonly code: FailureCode; readonly message: string; readonly hint?: string } }
  | { readonly bug: { readonly message: string; readonly stack: string | undefined } };

interface Issuer {
  readonly child: ChildProcess;
  /** Resolves when it has ended and all it said was heard, with how it ended. Rejects when it cannot be started. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

const program = programFile('certificateWorker');

let spare: Issuer | undefined;

function start(pkiDir: string): Issuer {
  const child = fork(program, [pkiDir], {
    // A session of its own: Ctrl-C in a terminal is not for it.
    detached: true,
    env: childEnv(process.env),
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  prefer(child);
  const ended = Promise.all([once(child, 'exit'), once(child, 'disconnect')]).then(
    () => child.signalCode ?? child.exitCode ?? 0,
  );
  // Whoever has given it an order hears of it.
  ended.catch(() => undefined);
  return { child, ended };
}

/** The API server waits for it, and what is started beside it can wait for a core: a tenth of a second with two (bench/NOTES.md). */
function prefer({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_HIGH);
  } catch {
    // Without CAP_SYS_NICE, or when it has ended already, it is as it was.
  }
}

/** Starts the process ahead of its order, to load meanwhile what it will need. Keeps this one not alive, and ends with it. */
export function preforkCertificateWorker(pkiDir: string): void {
  spare = start(pkiDir);
  spare.child.unref();
  spare.child.channel?.unref();
}

/** Ends the process when there was no order for it. */
export function discardCertificateWorker(): void {
  spare?.child.kill();
  spare = undefined;
}

/**
 * Has the certificates and kubeconfigs made by a process of its own: it takes 0.2 s of a core that the first components are not
 * to wait for, and its libraries take 30 MB that go with it. Rejects with its Failure. Once `signal` has aborted it rejects
 * with that reason, but no sooner than the process is done, 0.2 s later at most: so nothing is left half done.
 */
export async function issue(
  order: Order,
  report: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { child, ended } = spare?.child.connected === true ? spare : start(order.pkiDir);
  spare = undefined;
  child.ref();
  let failure: Error | undefined;
  child.on('message', (told: Told) => {
    if ('report' in told) {
      // Who has stopped listens no more.
      if (!signal.aborted) report(told.report);
    } else failure = asError(told);
  });
  // If it has ended meanwhile, how it did is the answer.
  child.send(order, () => undefined);
  const end = await ended;
  signal.throwIfAborted();
  if (failure !== undefined) throw failure;
  if (end !== 0)
    throw new Failure('preflight', `the process that makes the certificates ended too soon: ${end}`, {
      hint: 'If the machine has no memory left for it, the kernel says so: dmesg. Then try again.',
    });
}

function asError(told: Exclude<Told, { report: string }>): Error {
  if ('failure' in told) return new Failure(told.failure.code, told.failure.message, told.failure);
  return Object.assign(new Error(told.bug.message), told.bug);
}
