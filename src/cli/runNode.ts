import { unknownIp } from '../config/facts.ts';
import type { Config } from '../config/resolve.ts';
import { snapshotterFinding } from '../isolate/snapshotter.ts';
import { nodePaths } from '../paths.ts';
import { keepReport } from './artifacts.ts';
import type { Groundwork } from './groundwork.ts';
import { factsOf } from './nodeFacts.ts';
import type { UpOptions } from './options.ts';
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
  const loading = load(options);
  const ground = await settling;
  try {
    const { ip } = ground;
    const [{ runGraph, toComponents, kubernetesNode }, machine] = await Promise.all([loading, looking]);
    const config = await known(plan, ip);
    const { node } = config;
    const port = await portOf(node.listen, isInBox);
    const findings = [...ground.findings];
    const site = { config, ip, output: options.output, stops, port, findings };
    if (machine === undefined) return await runGraph(toComponents(config, []), site);
    const binaries = plan.binaries ?? (await (await import('./toolchain.ts')).toolchain(options, node));
    await ground.attend(binaries);
    findings.push(snapshotterFinding(machine.snapshotter, paths.data));
    const components = toComponents(config, kubernetesNode(factsOf(node, binaries, { ip, ...machine })));
    const { files, versions } = binaries;
    return await runGraph(components, {
      ...site,
      kubectl: files.kubectl,
      ctr: files.ctr,
      snapshotter: machine.snapshotter,
      versions,
    });
  } catch (error) {
    if (options.artifacts !== undefined) await keepReport(paths, options.artifacts);
    throw error;
  } finally {
    await ground.leave();
    stops.close();
  }
}

async function load({ output }: UpOptions) {
  await turn();
  const { toComponents } = await import('../config/components.ts');
  await turn();
  const { kubernetesNode } = await import('../node/index.ts');
  await turn();
  const { runGraph } = await import('./runGraph.ts');
  await turn();
  const { loadReporter } = await import('../report/reporter.ts');
  await loadReporter({ output });
  return { runGraph, toComponents, kubernetesNode };
}

/** Lets what has come in meanwhile be seen to. */
async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

async function known({ options, config, isConfigFinal }: PlanSoFar, ip: string): Promise<Config> {
  if (isConfigFinal || ip === unknownIp) return config;
  return (await import('./options.ts')).configFor(options, ip);
}
