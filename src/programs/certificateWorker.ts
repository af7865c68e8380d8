import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Failure } from '../lib/errors.ts';
import type { Told } from '../kubernetes/pki/issuing.ts';
import { issueAll } from '../kubernetes/pki/issueAll.ts';
import type { Order } from '../kubernetes/pki/issueAll.ts';
import { pkiPaths } from '../kubernetes/pki/paths.ts';
import { library } from '../kubernetes/pki/sign.ts';

/**
 * A program, not a module: `node certificateWorker.cjs PKI-FOLDER`, with a channel to its parent. Makes the certificates and kubeconfigs that
 * the parent's one message orders and tells it how it goes. Without an order it ends when the parent does.
 */
const tell = (message: Told): void => {
  // When the parent has ended there is nobody to hear it.
  process.send?.(message, undefined, undefined, () => undefined);
};
const ordered = once(process, 'message');

async function main(): Promise<void> {
  const [pkiDir = ''] = process.argv.slice(2);
  try {
    // Where nothing is yet, all will have to be signed.
    if (!existsSync(pkiPaths(pkiDir).ca.cert)) await library();
    const [order]: Order[] = await ordered;
    await issueAll(order!, (report) => tell({ report }));
  } catch (error) {
    tell(asTold(error));
  }
  if (process.connected) process.disconnect();
}

/** The class of an error does not survive the way. */
function asTold(error: unknown): Told {
  if (error instanceof Failure) {
    const { code, message, hint } = error;
    return { failure: { code, message, ...(hint !== undefined && { hint }) } };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { bug: { message, stack } };
}

void main();
