import { execa } from 'execa';
import type { PortMapping } from '../config/schema/ports.ts';
import { client } from '../control/client.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';
import { kubectlEnv } from '../lib/proxyEnv.ts';
import { main, startChild } from './child.ts';
import type { NodeOptions } from './child.ts';

export type { Event } from '../engine/component.ts';
export type { PortMapping } from '../config/schema/ports.ts';
export type { NodeOptions } from './child.ts';

/** A temporary node that is ready. It ends with this process, even if that is killed, and leaves nothing behind. */
export interface StartedNode extends AsyncDisposable {
  readonly name: string;
  /** The IP address of the node, for the API server and NodePorts. */
  readonly ip: string;
  /** The published ports, with those that were free for `0:80`. */
  readonly ports: readonly PortMapping[];
  /** The path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  /**
   * Runs the node's kubectl as administrator and resolves with its stdout. Rejects with an error that contains its stderr
   * when its exit code is not 0.
   */
  readonly kubectl: (...args: string[]) => Promise<string>;
  /** Resolves with the log of a component, such as `kubelet`. */
  readonly logs: (component: string) => Promise<string>;
  /** Imports the images of an archive (`docker save` or OCI layout) and resolves with their names. */
  readonly loadImage: (file: string) => Promise<string[]>;
  /** Stops the node and resolves when it is gone. Rejects with the reason if it had failed before. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts a temporary node in its own namespaces, with its data in memory, and resolves when it is ready. Needs root, like
 * `k8s-single run`. Several nodes can run concurrently.
 * @throws Failure when the node cannot be started. The message contains the output of the boot; `code` is the name of an exit
 * code, such as `preflight`, `notReady` or `install`.
 */
export async function startNode(options: NodeOptions = {}): Promise<StartedNode> {
  const { name, stop } = await startChild(options);
  const { ip, ports = [], kubeconfig = '', kubectl = '' } = await readNodeFile(name);
  const control = client(nodePaths(name).controlSocket);
  return {
    name,
    ip,
    ports,
    kubeconfig,
    async kubectl(...args) {
      const env = { ...kubectlEnv([ip]), KUBECONFIG: kubeconfig };
      return (await execa(kubectl, args, { env })).stdout;
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
