import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Failure } from '../errors.ts';
import type { FailureCode } from '../errors.ts';
import { programBeside } from '../paths.ts';
import type { Order } from './issueAll.ts';

/** What the thread says. */
export type Told =
  | { readonly report: string }
  | { readonly failure: { readonly code: FailureCode; readonly message: string; readonly hint?: string } };

const thread = programBeside(import.meta.url, 'issue');

let spare: Worker | undefined;

function start(pkiDir: string): Worker {
  return new Worker(thread, { workerData: { pkiDir } });
}

/** Starts the thread ahead of its order, to load meanwhile what it will need. Keeps no process alive. */
export function warmUp(pkiDir: string): void {
  const worker = start(pkiDir);
  worker.unref();
  // Then the order goes to another one, which fails where somebody hears of it.
  worker.once('error', () => (spare = undefined));
  spare = worker;
}

/**
 * Has the certificates and kubeconfigs made by a thread: it takes 0.2 s of a core that the first components are not to
 * wait for, and its libraries take 30 MB that go with it. Rejects with its Failure. Once `signal` has aborted it rejects with
 * that reason, but no sooner than the thread is done, 0.2 s later at most: Node.js 20 crashes when a thread is terminated
 * while a key is made for it.
 */
export async function issue(
  order: Order,
  report: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const worker = spare ?? start(order.pkiDir);
  spare = undefined;
  worker.ref();
  let failure: Failure | undefined;
  worker.on('message', (told: Told) => {
    if ('report' in told) {
      // Who has stopped listens no more.
      if (!signal.aborted) report(told.report);
    } else failure = new Failure(told.failure.code, told.failure.message, told.failure);
  });
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  worker.postMessage(order);
  await once(worker, 'exit');
  signal.throwIfAborted();
  if (failure !== undefined) throw failure;
}
