import { parentPort, workerData } from 'node:worker_threads';
import { Failure } from '../errors.ts';
import type { Told } from './issuing.ts';
import { issueAll } from './issueAll.ts';

/**
 * A thread, not a module: makes the certificates and kubeconfigs that `workerData` orders and tells its parent how it
 * goes. Only a Failure is told, because its class does not survive the way; anything else is thrown as it is.
 */
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
const tell = (message: Told): void => parentPort?.postMessage(message);
try {
  await issueAll(workerData, (report) => tell({ report }));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  const { code, message, hint } = error;
  tell({ failure: { code, message, ...(hint === undefined ? {} : { hint }) } });
}
