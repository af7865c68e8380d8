import { dirname } from 'node:path';
import { stateOf } from '../instance/lifeState.ts';
import type { LifeState } from '../instance/lifeState.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { nodeNamesIn } from '../instance/nodeNames.ts';
import { exitCodes } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { table } from '../lib/text/table.ts';

/** A line of `ls --output json`. */
interface ListedNode {
  readonly name: string;
  readonly state: LifeState;
  /** Null while it does not run. */
  readonly role: 'control plane' | 'worker' | 'graph' | null;
  readonly ip: string | null;
  readonly dataDir: string;
}

/** `k8s-single ls`: the nodes of this machine, those that are up and those with data in the usual place. */
export async function listNodes({ output }: { readonly output: 'table' | 'json' }): Promise<number> {
  const { run, data } = nodePaths('any');
  const names = new Set([run, data].flatMap((path) => nodeNamesIn(dirname(path))));
  const nodes = await Promise.all([...names].toSorted().map(describe));
  if (output === 'json') console.log(JSON.stringify(nodes, undefined, 2));
  else {
    const head = ['NAME', 'STATE', 'ROLE', 'ADDRESS', 'DATA'];
    const rows = nodes.map(({ name, state, role, ip, dataDir }) => [
      name,
      state,
      role ?? '-',
      ip ?? '-',
      dataDir,
    ]);
    for (const line of table([head, ...rows])) console.log(line);
  }
  return exitCodes.ok;
}

async function describe(name: string): Promise<ListedNode> {
  const state = await stateOf(name);
  const node = state === 'down' ? undefined : await readNodeFile(name).catch(() => undefined);
  const { data } = nodePaths(name, node?.dataDir);
  return { name, state, role: node === undefined ? null : roleOf(node), ip: node?.ip ?? null, dataDir: data };
}

function roleOf({ worker, kubeconfig }: NodeFile): ListedNode['role'] {
  if (worker !== undefined) return 'worker';
  return kubeconfig === undefined ? 'graph' : 'control plane';
}
