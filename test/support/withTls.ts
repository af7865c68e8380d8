import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { execa } from 'execa';
import { factsOf, unknownHost } from '../../src/supervisor/nodeFacts.ts';
import { loadNodeConfig } from '../../src/supervisor/options.ts';
import { resolveBinaries } from '../../src/supervisor/resolveBinaries.ts';
import type { Service } from '../../src/engine/component.ts';
import { differencesOf } from '../../src/kubernetes/components/differences.ts';
import type { NodeFacts } from '../../src/kubernetes/facts.ts';
import { main } from './cli.ts';
import type { TestNode } from './testNode.ts';

type Controller = (facts: NodeFacts, needs: readonly string[]) => Service;

interface TlsController extends AsyncDisposable {
  /** Probes its /healthz and resolves with the output of `k8s-single probe`. */
  probeHealth(): Promise<string>;
}

/** Starts a second controller manager or scheduler on the node, with TLS only, as from Kubernetes 1.22 on. */
export async function startWithTls(node: TestNode, controller: Controller): Promise<TlsController> {
  const { name, dataDir } = node;
  const options = { name, dataDir, install: false, source: 'auto', output: 'plain' } as const;
  const { node: config } = await loadNodeConfig(options);
  const facts = factsOf(config, await resolveBinaries(options, config), unknownHost);
  const differences = differencesOf({ kubernetes: '1.22.0', etcd: '', containerd: '' });
  const { command, ports } = controller({ ...facts, differences }, []);
  if (typeof command === 'function') throw new Error('the command is not static');
  const netns = `--net=/proc/${await node.hostPid(1)}/ns/net`;
  // Disable the port without TLS: that of the node's own controller is in use.
  const args = [netns, command.file, ...command.args, '--port=0'];
  const child = spawn('nsenter', args, { env: { ...process.env, ...command.env }, stdio: 'ignore' });
  const exited = once(child, 'exit');
  const url = `https://127.0.0.1:${ports?.[0]}/healthz`;
  const probe = [main, 'probe', '--ca', join(dataDir, 'pki/ca.crt'), 'http', url];
  return {
    probeHealth: async () => (await execa('nsenter', [netns, process.execPath, ...probe])).stderr,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
