import { resolve } from 'node:path';
import { assertRoot } from '../host/preflight.ts';
import { beginStart, withdrawStart } from '../instance/start.ts';
import { nodeName, nodePaths } from '../lib/paths.ts';
import { beginBox, isIsolated } from '../launcher/beginBox.ts';
import type { BegunNode } from '../launcher/beginBox.ts';
import type { UpOptions } from '../supervisor/options.ts';

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/**
 * `up` with the lock of its node in hand from the first moment at which the name is known, so that `down` finds a node that is
 * only starting, and without a config with its process in the box, which starts while the rest is found out. A signal that comes
 * before anybody else listens ends it: nothing has been started yet.
 */
export async function begin(options: UpOptions): Promise<number> {
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
    const isNamed = nodeName.test(name);
    const isEarly = isNamed && options.config === undefined && isIsolated(options);
    // The keeper of a box takes the lock itself. But a port is asked for before that, and it is the node's own when that runs already.
    if (isNamed && (!isEarly || options.listen !== undefined)) {
      locked = beginStart(name, nodePaths(name).run);
      await locked;
    }
    const beginning = isEarly ? beginEarly(options, name) : undefined;
    // Loaded while that starts.
    const [early, { up }] = await Promise.all([beginning, import('./up.ts')]);
    return await up(options, early);
  } finally {
    withdrawStart();
    ignore();
  }
}

/** To be called when no config has a say in whether there is a box, and where its data is. */
async function beginEarly(options: UpOptions, name: string): Promise<BegunNode> {
  const { dataDir, listen } = options;
  return beginBox(options, { name, listen, dataDir: dataDir === undefined ? undefined : resolve(dataDir) });
}
