import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { execa } from 'execa';
import { until } from '../../probes/until.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { factsOf, unknownMachine } from '../../src/cli/nodeFacts.ts';
import { configFor } from '../../src/cli/options.ts';
import { toolchain } from '../../src/cli/toolchain.ts';
import type { Service } from '../../src/component.ts';
import type { NodeFacts } from '../../src/node/facts.ts';
import { main } from './cli.ts';
import type { TestNode } from './testNode.ts';

/** Makes a component as it is from Kubernetes 1.22 on, where the controller manager and the scheduler answer with TLS alone. */
type Loop = (facts: NodeFacts, needs: readonly string[]) => Service;

/**
 * Starts another one beside that of the node, which has an older version, and resolves with what is said of it by the probe
 * that `up` would have it ready by.
 */
export async function healthWithTls(node: TestNode, loop: Loop): Promise<string> {
  const { name, dataDir } = node;
  const options = { name, dataDir, install: false, source: 'auto', output: 'plain' } as const;
  const { node: config } = await configFor(options);
  const facts = factsOf(config, await toolchain(options, config), unknownMachine);
  const { command, ports } = loop({ ...facts, minor: 22 }, []);
  if (typeof command === 'function') throw new Error('its command is not known yet');
  const enter = `--net=/proc/${await node.hostPid(1)}/ns/net`;
  // The port without TLS is another one's here.
  const args = [enter, command.file, ...command.args, '--port=0'];
  const child = spawn('nsenter', args, { env: { ...process.env, ...command.env }, stdio: 'ignore' });
  const ended = once(child, 'exit');
  const url = `https://127.0.0.1:${ports?.[0]}/healthz`;
  const probe = [main, 'probe', '--ca', join(dataDir, 'pki/ca.crt'), 'http', url];
  try {
    let said = '';
    const healthy = async (): Promise<void> => {
      const look = await execa('nsenter', [enter, process.execPath, ...probe], { all: true, reject: false });
      if (look.exitCode !== 0) throw new Unhealthy(look.all);
      said = look.all;
    };
    const look = { timeoutMs: 30_000, lookTimeoutMs: 10_000 };
    await until(healthy, look, AbortSignal.timeout(60_000));
    return said;
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
