/**
 * A program: `node recovery.js IP`. Runs in the network namespace of a node that is up, with the host's files and processes.
 * Stops one service, and kills one after the other. Prints how long it took until the whole node was ready again, in ms, as one line of
 * JSON by what was done; null if it did not recover.
 */
import { existsSync } from 'node:fs';
import { all, Unhealthy } from '../probes/probe.ts';
import type { Probe } from '../probes/probe.ts';
import { DeadlineExceeded, until } from '../probes/until.ts';
import { kubernetesNode } from '../src/kubernetes/node.ts';
import { factsAt, serviceProcesses } from './node.ts';
import type { ServiceProgram } from './node.ts';
import { adminClient, nodeReady, readyHeartbeat } from './observer.ts';

const [kill, hang] = ['SIGKILL', 'SIGSTOP'] as const;

/** In an order in which none impairs the next: from the edge of the graph to its middle. */
const victims = [
  { program: 'kube-scheduler', component: 'scheduler', by: hang },
  { program: 'kubelet', component: 'kubelet', by: kill },
  { program: 'containerd', component: 'containerd', by: kill },
  { program: 'kube-apiserver', component: 'apiserver', by: kill },
  { program: 'etcd', component: 'etcd', by: kill },
] as const;

const timeoutMs = 90_000;
/** Whoever has not noticed within 30 s that a program hangs does not notice it at all. */
const hangTimeoutMs = 30_000;
/** The node is ready again once it has been ready for this long. */
const stableMs = 2000;
/** The uptime before the first kill: longer than the 30 s after which a restart is not delayed. */
const uptimeMs = 31_000;

const signal = new AbortController().signal;
const host = process.argv[2] ?? '';
const facts = await factsAt(host);
const { network, nodeName } = facts.config;
const client = await adminClient({ host, port: network.apiserverPort }, timeoutMs, signal);
const readyProbes = new Map(
  kubernetesNode(facts).flatMap((component): [string, Probe][] =>
    component.kind === 'service' ? [[component.name, component.ready]] : [],
  ),
);
const nodeIsReady = nodeReady(client, nodeName, () => true);

await readySince(all(...readyProbes.values(), nodeIsReady), uptimeMs, 250);
const times: Record<string, number | null> = {};
for (const victim of victims)
  times[`${victim.by === kill ? 'kill -9' : victim.by}: of ${victim.component}`] = await recovery(victim);
console.log(JSON.stringify(times));

async function recovery({ program, component, by }: (typeof victims)[number]): Promise<number | null> {
  // The probe of the killed service is the most likely to fail: run it first, the others once it passes.
  const first = readyProbes.get(component)!;
  const others = [...readyProbes.values()].filter((probe) => probe !== first);
  const pid = await pidOf(program);
  try {
    const heartbeatBefore = await readyHeartbeat(client, nodeName, signal);
    const killedAt = Date.now();
    process.kill(pid, by);
    const hasExited: Probe = async () => {
      if (existsSync(`/proc/${pid}`)) throw new Unhealthy('it has not exited yet');
    };
    // Only the kill of the kubelet is followed by a heartbeat of a new process; for the others any heartbeat will do.
    const node =
      component === 'kubelet'
        ? nodeReady(client, nodeName, (heartbeat) => heartbeat !== heartbeatBefore)
        : nodeIsReady;
    const isReady = all(first, hasExited, ...others, node);
    return (await readySince(isReady, stableMs, 20, by === hang ? hangTimeoutMs : timeoutMs)) - killedAt;
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
    // What still hangs is not to disturb the next.
    if (by === hang) process.kill(pid, 'SIGKILL');
    return null;
  }
}

/** Waits until the probe has passed for `ms`; resolves with the time since when, in ms since the epoch. */
async function readySince(probe: Probe, ms: number, periodMs: number, withinMs = timeoutMs): Promise<number> {
  let since: number | undefined;
  const isStable: Probe = async (attempt) => {
    await probe(attempt).catch((error: unknown) => {
      since = undefined;
      throw error;
    });
    since ??= Date.now();
    if (Date.now() - since < ms) throw new Unhealthy(`ready for less than ${ms} ms`);
  };
  await until(
    isStable,
    { timeoutMs: withinMs, periodMs, maxPeriodMs: periodMs, attemptTimeoutMs: 5000 },
    signal,
  );
  return since ?? NaN;
}

async function pidOf(program: ServiceProgram): Promise<number> {
  const found = (await serviceProcesses()).find((each) => each.program === program);
  if (found === undefined) throw new Unhealthy(`${program} is not running`);
  return found.pid;
}
