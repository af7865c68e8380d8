import { reasonOf } from '../../lib/errors.ts';
import { reconcileOnChange } from '../cluster/reconcile.ts';
import type { Watches } from '../cluster/watches.ts';
import type { WorkersOptions } from '../options.ts';
import { nodes } from './node.ts';
import { requests, servingSigner } from './request.ts';
import type { CertificateRequest } from './request.ts';

/**
 * Approves the requests of kubelets for the certificates they serve `logs` and `exec` with, until the signal aborts. Others stay
 * undecided, with the reason in the log: an administrator may approve them.
 */
export function runApprover({ reserved }: WorkersOptions, watches: Watches, signal: AbortSignal): void {
  const stores = [watches.store(requests), watches.store(nodes)] as const;
  const [pending, known] = stores;
  const said = new Map<string, string>();
  const decide = async (request: CertificateRequest): Promise<void> => {
    const { servingFlaw } = await import('./servingFlaw.ts');
    const flaw = servingFlaw(request, { nodes: known.values(), reserved });
    if (flaw !== undefined) throw new Error(`not approved: ${flaw}`);
    await watches.change(approval(request), [200]);
    console.error(`${request.name}: approved for ${request.username}`);
  };
  const reconcile = async (): Promise<void> => {
    if (!stores.every(({ isSynced }) => isSynced)) return;
    const open = [...pending.values()].filter((each) => !each.isDecided && each.signer === servingSigner);
    for (const request of open) {
      await decide(request).catch((error: unknown) => {
        const line = `${request.name}: ${reasonOf(error)}`;
        if (said.get(request.name) !== line) console.error(line);
        said.set(request.name, line);
      });
    }
    for (const name of said.keys()) if (pending.get('', name)?.isDecided !== false) said.delete(name);
  };
  reconcileOnChange([...stores], reconcile, signal);
}

function approval({ name, object }: CertificateRequest) {
  const condition = {
    type: 'Approved',
    status: 'True',
    reason: 'K8sSingleApprove',
    message: 'This is the kubelet of the node, with addresses of the node alone.',
  };
  return {
    method: 'PUT',
    path: `${requests.path}/${encodeURIComponent(name)}/approval`,
    body: { ...object, status: { conditions: [condition] } },
  } as const;
}
