/**
 * A program: `node recovery.js IP`, in the network namespace of the node that is up, but with the host's files and
 * processes. Kills one service of it after the other and prints how long, in ms, it took until the whole node was ready
 * again, as one line of JSON by the name of the program; null for what did not come back.
 */
import { existsSync } from 'node:fs';
import { all, Unhealthy } from '../probes/probe.ts';
import type { Probe } from '../probes/probe.ts';
import { DeadlineExceeded, until } from '../probes/until.ts';
import { kubernetesNode } from '../src/kubernetes/node.ts';
import { nodeReady, saidReadyAt } from './boot.ts';
import { administrator } from './look.ts';
import { factsAt } from './place.ts';
import { running } from './services.ts';
import type { ServiceProgram } from './services.ts';

/** From the edge of the graph to its middle, so that none is hurt by what the one before has done. */
const victims = [
  { program: 'kubelet', component: 'kubelet' },
  { program: 'containerd', component: 'containerd' },
  { program: 'kube-apiserver', component: 'apiserver' },
  { program: 'etcd', component: 'etcd' },
] as const;

const timeoutMs = 90_000;
/** Ready again is what stays so for this long. */
const calmMs = 2000;
/** Up for so long before it is killed: a node that has been up for a while, whose supervisors hold nothing against it. */
const ageMs = 31_000;

const signal = new AbortController().signal;
const host = process.argv[2] ?? '';
const facts = await factsAt(host);
const { network, nodeName } = facts.config;
const ask = await administrator({ host, port: network.apiserverPort }, timeoutMs, signal);
const ready = new Map(
  kubernetesNode(facts).flatMap((component): [string, Probe][] =>
    component.kind === 'service' ? [[component.name, component.ready]] : [],
  ),
);
const nodeIsReady = nodeReady(ask, nodeName, () => true);

await lasting(all(...ready.values(), nodeIsReady), ageMs, 250);
const times: Record<string, number | null> = {};
for (const victim of victims) times[victim.component] = await recovery(victim);
console.log(JSON.stringify(times));

async function recovery({ program, component }: (typeof victims)[number]): Promise<number | null> {
  // What is likeliest to be missing is looked at first, the rest when that is there.
  const first = ready.get(component)!;
  const others = [...ready.values()].filter((probe) => probe !== first);
  try {
    const old = await pidOf(program);
    const saidBefore = await saidReadyAt(ask, nodeName, signal);
    const killed = Date.now();
    process.kill(old, 'SIGKILL');
    const replaced: Probe = async () => {
      if (existsSync(`/proc/${old}`)) throw new Unhealthy('it has not ended yet');
    };
    // Of the others the kubelet keeps saying what it said; the new kubelet has to say so itself.
    const said =
      component === 'kubelet' ? nodeReady(ask, nodeName, (saidAt) => saidAt !== saidBefore) : nodeIsReady;
    return (await lasting(all(first, replaced, ...others, said), calmMs, 20)) - killed;
  } catch (error) {
    if (error instanceof DeadlineExceeded) return null;
    throw error;
  }
}

/** Since when the probe has passed, in ms since the epoch, when it has done so for `ms`. */
async function lasting(probe: Probe, ms: number, periodMs: number): Promise<number> {
  let since: number | undefined;
  const lasts: Probe = async (look) => {
    await probe(look).catch((error: unknown) => {
      since = undefined;
      throw error;
    });
    since ??= Date.now();
    if (Date.now() - since < ms) throw new Unhealthy('not for long enough yet');
  };
  await until(lasts, { timeoutMs, periodMs, maxPeriodMs: periodMs, attemptTimeoutMs: 5000 }, signal);
  return since ?? NaN;
}

async function pidOf(program: ServiceProgram): Promise<number> {
  const found = (await running()).find((each) => each.program === program);
  if (found === undefined) throw new Unhealthy(`${program} is not running`);
  return found.pid;
}
