import { startNode } from 'k8s-single';
import type { Event, NodeOptions, StartedNode } from 'k8s-single';

const events: Event[] = [];
const options: NodeOptions = { timeoutMs: 120_000, onEvent: (event) => events.push(event) };

/** Only compiled, to check the types. */
export async function nodes(): Promise<string> {
  await using node: StartedNode = await startNode(options);
  return node.kubectl('get', 'nodes', `--kubeconfig=${node.kubeconfig}`);
}
