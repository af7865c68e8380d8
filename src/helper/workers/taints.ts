import { reasonOf } from '../../lib/errors.ts';
import { reconcileOnChange } from '../cluster/reconcile.ts';
import type { Watches } from '../cluster/watches.ts';
import type { WorkersOptions } from '../options.ts';
import { nodePath, nodes, withoutNotReady } from './node.ts';

/**
 * Lets pods come to a worker as soon as it is Ready, until the signal aborts. The controller of Kubernetes does it only once all
 * controllers are started: of 1.20, up to 10 s later.
 */
export function runTaints({ nodeName }: WorkersOptions, watches: Watches, signal: AbortSignal): void {
  const known = watches.store(nodes);
  const reconcile = async (): Promise<void> => {
    for (const { name, isReady, taints } of known.values()) {
      const body = withoutNotReady(taints);
      // The control plane's own has the milestone `node`.
      if (!isReady || body === undefined || name === nodeName) continue;
      const change = {
        method: 'PATCH',
        path: nodePath(name),
        body,
        type: 'application/json-patch+json',
      } as const;
      // 422: its taints have changed, and it is looked at again.
      await watches.change(change, [200, 404, 422]).catch((error: unknown) => {
        console.error(`node ${name} keeps its taint: ${reasonOf(error)}`);
      });
    }
  };
  reconcileOnChange([known], reconcile, signal);
}
