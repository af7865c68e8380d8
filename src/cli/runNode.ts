import type { Component } from '../component.ts';
import { unknownIp } from '../config/facts.ts';
import type { Config } from '../config/resolve.ts';
import { snapshotterFinding } from '../isolate/snapshotter.ts';
import { nodePaths } from '../paths.ts';
import type { Groundwork } from './groundwork.ts';
import { loadReporter } from '../report/reporter.ts';
import { factsOf } from './nodeFacts.ts';
import type { PlanSoFar } from './plan.ts';
import { portOf } from './port.ts';

/**
 * Runs the graph in this process until it is asked to stop or cannot go on, and resolves with the exit code.
 * @throws Failure when that is why it ended, after everything was stopped and the ground left.
 */
export async function runNode(
  plan: PlanSoFar,
  isInBox: boolean,
  { stops, ground: settling, machine: looking }: Groundwork,
): Promise<number> {
  const { options } = plan;
  const paths = nodePaths(plan.config.node.name, plan.config.node.dataDir);
  // Loaded while other programs make the ground.
  const loading = Promise.all([loadNode(), loadReporter(options)]);
  const ground = await settling;
  try {
    const { ip } = ground;
    const [[{ runGraph, kubernetesNode }], machine] = await Promise.all([loading, looking]);
    const config = await known(plan, ip);
    const { node } = config;
    const port = await portOf(node.listen, isInBox);
    const findings = [...ground.findings];
    const site = { config, ip, output: options.output, stops, port, findings };
    if (machine === undefined) return await runGraph(await graphOf(config, []), site);
    const binaries = plan.binaries ?? (await (await import('./toolchain.ts')).toolchain(options, node));
    await ground.attend(binaries);
    findings.push(snapshotterFinding(machine.snapshotter, paths.data));
    const components = await graphOf(config, kubernetesNode(factsOf(node, binaries, { ip, ...machine })));
    const { files, versions } = binaries;
    return await runGraph(components, {
      ...site,
      kubectl: files.kubectl,
      ctr: files.ctr,
      snapshotter: machine.snapshotter,
      versions,
    });
  } catch (error) {
    if (options.artifacts !== undefined) {
      const { keepReport } = await import('./artifacts.ts');
      await keepReport(paths, options.artifacts);
    }
    throw error;
  } finally {
    await ground.leave();
    stops.close();
  }
}

/** Loads what a node is made of. */
async function loadNode() {
  const [{ runGraph }, { kubernetesNode }] = await Promise.all([
    import('./runGraph.ts'),
    import('../node/index.ts'),
  ]);
  return { runGraph, kubernetesNode };
}

/** The graph that the config makes of the built-in components. */
async function graphOf(config: Config, builtIns: readonly Component[]): Promise<readonly Component[]> {
  if (Object.keys(config.components).length === 0) return builtIns;
  // Only a config that has components knows of every kind of probe.
  return (await import('../config/components.ts')).toComponents(config, builtIns);
}

async function known({ options, config, isConfigFinal }: PlanSoFar, ip: string): Promise<Config> {
  if (isConfigFinal || ip === unknownIp) return config;
  return (await import('./options.ts')).configFor(options, ip);
}
