import { readFile } from 'node:fs/promises';
import { Failure } from '../errors.ts';
import { mergeKubeconfig, userKubeconfig } from '../node/kubeconfigMerge.ts';
import { readNodeFile } from '../nodeFile.ts';

/** `k8s-single kubeconfig`: prints the administrator's kubeconfig, or merges it into the user's own. */
export async function kubeconfig({ name, merge }: { name: string; merge?: boolean }): Promise<number> {
  const node = await readNodeFile(name);
  if (node.kubeconfig === undefined) {
    throw new Failure('usage', `node ${name} is a graph without Kubernetes: it has no kubeconfig`);
  }
  const text = await readFile(node.kubeconfig, 'utf8').catch((cause: unknown) => {
    throw new Failure('notReady', `node ${name} has no kubeconfig yet`, {
      hint: `wait for it: k8s-single status --name ${name} --wait`,
      cause,
    });
  });
  if (merge === true) {
    const file = userKubeconfig();
    mergeKubeconfig(file, text);
    console.error(`merged into ${file}, as its current context`);
  } else {
    process.stdout.write(text);
  }
  return 0;
}
