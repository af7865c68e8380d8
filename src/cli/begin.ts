import { currentBox } from '../isolate/box.ts';
import { assertRoot } from '../isolate/preflight.ts';
import { beginStart, withdrawStart } from '../isolate/start.ts';
import { nodeName, nodePaths } from '../paths.ts';
import type { UpOptions } from './options.ts';

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/**
 * `up` with the lock of its node in hand from the first moment at which the name is known, so that `down` finds a node that is
 * only starting. A signal that comes before anybody else listens ends it: nothing has been started yet.
 */
export async function begin(options: UpOptions): Promise<number> {
  const loading = import('./up.ts');
  // Whoever started the box has it.
  if (currentBox() !== undefined) return (await loading).up(options);
  assertRoot();
  let locked: Promise<void> = Promise.resolve();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    void locked
      .catch(() => undefined)
      .then(() => {
        withdrawStart();
        ignore();
        // Not an exit, which waits for whatever is being read.
        process.kill(process.pid, signal);
      });
  };
  const ignore = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const name = options.name ?? (options.config === undefined ? 'default' : '');
    if (nodeName.test(name)) locked = beginStart(name, nodePaths(name).run);
    const [{ up }] = await Promise.all([loading, locked]);
    return await up(options);
  } finally {
    withdrawStart();
    ignore();
  }
}
