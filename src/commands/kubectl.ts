import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';
import { signalExitCode } from '../lib/signals.ts';

/**
 * `k8s-single kubectl -- ARGS`: the node's own kubectl with the administrator's kubeconfig, on this terminal and in this
 * folder. Resolves with its exit code, 128 + n when signal n ended it.
 * @throws Failure `install` when it is there no more, or cannot be started.
 */
export async function kubectl(args: readonly string[], { name }: { name: string }): Promise<number> {
  const node = await readNodeFile(name);
  if (node.kubectl === undefined || node.kubeconfig === undefined) {
    throw new Failure(
      'usage',
      `node ${name} is a graph without Kubernetes: there is nothing to ask kubectl for`,
    );
  }
  // Not execa: an interactive `exec -it` wants the terminal untouched, and nothing here is worth its load time.
  const child = spawn(node.kubectl, args, {
    stdio: 'inherit',
    env: {
      ...process.env,
      KUBECONFIG: node.kubeconfig,
      // What it remembers of an API server it finds again by address alone, and a node of this name has the same one,
      // whatever its version. Gone with the node. A kubectl as old as 1.20 does not look at it.
      KUBECACHEDIR: join(nodePaths(name).run, 'kubectl'),
    },
  });
  // Ctrl-C reaches kubectl by itself; it decides what it means.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  await once(child, 'exit').catch((cause: unknown) => {
    throw new Failure('install', `the kubectl of node ${name} cannot be started: ${reasonOf(cause)}`, {
      hint: 'bring it back: k8s-single install; when that puts it elsewhere, start the node again',
      cause,
    });
  });
  const { exitCode, signalCode } = child;
  return signalCode === null ? (exitCode ?? 0) : signalExitCode(signalCode);
}
