import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Failure } from '../errors.ts';
import type { Told } from './issuing.ts';
import { issueAll } from './issueAll.ts';
import type { Order } from './issueAll.ts';
import { pkiPaths } from './pki/paths.ts';
import { library } from './pki/sign.ts';

/**
 * A thread, not a module: makes the certificates and kubeconfigs that its parent's one message orders and tells it how it
 * goes. Only a Failure is told, because its class does not survive the way; anything else is thrown as it is.
 */
const parent = parentPort!;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
const tell = (message: Told): void => parent.postMessage(message);
const ordered = once(parent, 'message');

async function main(): Promise<void> {
  const { pkiDir }: Pick<Order, 'pkiDir'> = workerData;
  // Where nothing is yet, all will have to be signed.
  if (!existsSync(pkiPaths(pkiDir).ca.cert)) await library();
  try {
    const [order]: Order[] = await ordered;
    await issueAll(order!, (report) => tell({ report }));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { code, message, hint } = error;
    tell({ failure: { code, message, ...(hint === undefined ? {} : { hint }) } });
  }
}

void main();
