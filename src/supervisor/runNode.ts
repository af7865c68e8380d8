import type { Component } from '../engine/component.ts';
import { unknownIp } from '../config/yaml/facts.ts';
import type { Config } from '../config/config.ts';
import { snapshotterResult } from '../host/snapshotter.ts';
import { nodePaths } from '../lib/paths.ts';
import type { Binaries } from '../install/install.ts';
import type { Groundwork } from './groundwork.ts';
import { loadReporter } from '../observe/terminal/reporter.ts';
import { factsOf } from './nodeFacts.ts';
import type { PlanSoFar } from './bootSpec.ts';
import { listenerFor } from './listener.ts';
import type { GraphOptions } from './runGraph.ts';

/**
 * Runs the graph in this process until it is asked to stop or cannot go on, and resolves with the exit code.
 * @throws Failure when that is why it ended, after everything was stopped and the ground left.
 */
export async function runNode(plan: PlanSoFar, isInBox: boolean, groundwork: Groundwork): Promise<number> {
  const { options } = plan;
  const paths = nodePaths(plan.config.node.name, plan.config.node.dataDir);
  // While other programs make the ground.
  const loading = Promise.all([import('./runGraph.ts'), loadReporter(options)]);
  const intending = intend(plan, isInBox, groundwork);
  // Whoever waits for them hears of a failure; nobody does yet.
  for (const begun of [loading, intending]) begun.catch(() => undefined);
  const ground = await groundwork.ground;
  try {
    const { components, site, binaries } = await intending;
    if (binaries !== undefined) await ground.attend(binaries);
    const findings = [...ground.findings, ...site.findings];
    const [{ runGraph }] = await loading;
    return await runGraph(components, { ...site, findings });
  } catch (error) {
    if (options.artifacts !== undefined) {
      const { keepArtifacts } = await import('../observe/records/artifacts.ts');
      await keepArtifacts(paths, options.artifacts);
    }
    throw error;
  } finally {
    await ground.leave();
    groundwork.stops.close();
  }
}

/** What will run. */
interface Intent {
  readonly components: readonly Component[];
  readonly site: GraphOptions;
  /** Of Kubernetes. */
  readonly binaries?: Binaries;
}

/** What can be done while the ground is made: finds out what will run, as soon as the address is known. */
async function intend(
  plan: PlanSoFar,
  isInBox: boolean,
  { stops, ip: asking, machine: looking }: Groundwork,
): Promise<Intent> {
  const { options } = plan;
  const [{ kubernetesNode }, ip, machine] = await Promise.all([
    import('../kubernetes/node.ts'),
    asking,
    looking,
  ]);
  const config = await known(plan, ip);
  const { node } = config;
  const port = await listenerFor(node.listen, isInBox);
  const site = { config, ip, output: options.output, stops, port, findings: [] };
  if (machine === undefined) return { components: await graphOf(config, []), site };
  const binaries =
    plan.binaries ?? (await (await import('./resolveBinaries.ts')).resolveBinaries(options, node));
  const components = await graphOf(config, kubernetesNode(factsOf(node, binaries, { ip, ...machine })));
  const { snapshotter } = machine;
  const { files, versions } = binaries;
  const findings = [snapshotterResult(snapshotter, nodePaths(node.name, node.dataDir).data)];
  const kubernetes = { kubectl: files.kubectl, ctr: files.ctr, snapshotter, versions, findings };
  return { components, site: { ...site, ...kubernetes }, binaries };
}

/** The graph that the config makes of the built-in components. */
async function graphOf(config: Config, builtIns: readonly Component[]): Promise<readonly Component[]> {
  if (Object.keys(config.components).length === 0) return builtIns;
  // Only a config that has components knows of every kind of probe.
  return (await import('../config/components/components.ts')).toComponents(config, builtIns);
}

async function known({ options, config, isConfigFinal }: PlanSoFar, ip: string): Promise<Config> {
  if (isConfigFinal || ip === unknownIp) return config;
  return (await import('./options.ts')).loadNodeConfig(options, ip);
}
