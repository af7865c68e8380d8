import { execa } from 'execa';
import { client } from '../control/client.ts';
import { main, startChild } from './child.ts';
import type { NodeOptions } from './options.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';

export type { Event } from '../engine/component.ts';
export type { NodeOptions } from './options.ts';

/** A throw-away node that is ready. It goes with this process, however that ends; nothing of it is kept. */
export interface StartedNode extends AsyncDisposable {
  readonly name: string;
  /** Its address: the API server, NodePorts. */
  readonly ip: string;
  /** The path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** Runs the node's own kubectl as its administrator and resolves with what it prints; rejects unless it exits with 0. */
  readonly kubectl: (...args: string[]) => Promise<string>;
  /** The log of one of its components, such as `kubelet`. */
  readonly logs: (component: string) => Promise<string>;
  /** Makes the images of an archive known to it, of `docker save` or in OCI layout, and resolves with their names. */
  readonly loadImage: (file: string) => Promise<string[]>;
  /** Resolves when it is gone; rejects with the reason when it had ended by itself. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts a throw-away node in namespaces of its own, and resolves when it is ready. Needs root, as `k8s-single run` does.
 * Several at once do not disturb each other.
 * @throws Failure with all that there is to know when it cannot be had; its `code` is a name in the table of exit codes.
 */
export async function startNode(options: NodeOptions = {}): Promise<StartedNode> {
  const { name, stop } = await startChild(options);
  const { ip, kubeconfig = '', kubectl = '' } = await readNodeFile(name);
  const control = client(nodePaths(name).controlSocket);
  return {
    name,
    ip,
    kubeconfig,
    async kubectl(...args) {
      return (await execa(kubectl, args, { env: { KUBECONFIG: kubeconfig } })).stdout;
    },
    async logs(component) {
      const lines: string[] = [];
      const query = { components: [component], follow: false, tail: undefined, since: undefined };
      for await (const { text } of control.logs(query)) lines.push(text);
      return lines.join('\n');
    },
    async loadImage(file) {
      const { stdout } = await execa(process.execPath, [main, 'image', 'load', '--name', name, '--', file]);
      return stdout.split('\n');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
