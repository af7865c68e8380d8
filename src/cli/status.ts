import { client } from '../control/client.ts';
import { nodePaths } from '../paths.ts';

/** `k8s-single status`. */
export async function status({ name, output }: { name: string; output: string }): Promise<number> {
  const node = client<object>(nodePaths(name).controlSocket);
  console.log(JSON.stringify(await node.status(), undefined, output === 'json' ? 2 : 0));
  const missing = await node.notReady();
  return missing.length === 0 ? 0 : 4;
}
