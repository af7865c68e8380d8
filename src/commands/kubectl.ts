import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';
import { kubectlEnv } from '../lib/proxyEnv.ts';
import { signalExitCode } from '../lib/signals.ts';

/**
 * `k8s-single kubectl -- ARGS`: runs the node's kubectl as administrator, on this terminal and in this folder. Resolves with
 * its exit code, 128 + n when signal n ended it.
 * @throws Failure `install` when it cannot be started, for example because it has been removed.
 */
export async function kubectl(args: readonly string[], { name }: { name: string }): Promise<number> {
  const node = await readNodeFile(name);
  if (node.worker !== undefined) {
    throw new Failure('usage', `node ${name} is a worker of ${node.worker.server}: it has no kubectl`, {
      hint: 'run it on the machine of the control plane',
    });
  }
  if (node.kubectl === undefined || node.kubeconfig === undefined) {
    throw new Failure('usage', `node ${name} is a graph without Kubernetes: it has no kubectl`);
  }
  // Not execa: `exec -it` needs the terminal as it is, and loading execa takes longer than all of this.
  const child = spawn(node.kubectl, args, {
    stdio: 'inherit',
    env: {
      ...process.env,
      // The node is on this machine: no proxy reaches it.
      ...kubectlEnv([node.ip]),
      KUBECONFIG: node.kubeconfig,
      // kubectl caches the API of a server by its address. A later node of another version may have the same address, so
      // keep the cache in the run folder, which goes with the node. kubectl 1.20 ignores this variable.
      KUBECACHEDIR: join(nodePaths(name).run, 'kubectl'),
    },
  });
  // Ctrl-C in a terminal reaches kubectl by itself: let it decide.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  await once(child, 'exit').catch((cause: unknown) => {
    throw new Failure('install', `the kubectl of node ${name} cannot be started: ${reasonOf(cause)}`, {
      hint: 'install it again: k8s-single install; if its path is another one then, restart the node',
      cause,
    });
  });
  const { exitCode, signalCode } = child;
  return signalCode === null ? (exitCode ?? 0) : signalExitCode(signalCode);
}
