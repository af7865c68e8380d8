import { unknownIp } from '../config/facts.ts';
import type { Config } from '../config/resolve.ts';
import type { Box } from '../isolate/box.ts';
import { lookAtMachine } from '../isolate/machine.ts';
import { snapshotterFinding } from '../isolate/snapshotter.ts';
import { nodePaths } from '../paths.ts';
import { keepReport } from './artifacts.ts';
import type { Groundwork } from './groundwork.ts';
import { factsOf } from './nodeFacts.ts';
import type { UpOptions } from './options.ts';
import type { Plan } from './plan.ts';
import { portOf } from './port.ts';

/** A plan, or as much of it as can be known without the node's own address. */
export type PlanSoFar = Omit<Plan, 'binaries'> & Partial<Plan>;

/**
 * Runs the graph in this process until it is asked to stop or cannot go on, and resolves with the exit code.
 * @throws Failure when that is why it ended, after everything was stopped and the ground left.
 */
export async function runNode(
  plan: PlanSoFar,
  box: Box | undefined,
  { stops, ground: settling }: Groundwork,
): Promise<number> {
  const { options } = plan;
  const paths = nodePaths(plan.config.node.name, plan.config.node.dataDir);
  const hasNode = plan.config.node.kubernetes !== false;
  // Loaded while other programs make the ground.
  const loading = load(options);
  const ground = await settling;
  try {
    const { ip } = ground;
    const [{ runGraph, toComponents, kubernetesNode }, machine] = await Promise.all([
      loading,
      hasNode ? lookAtMachine(paths.containerd) : undefined,
    ]);
    const config = await known(plan, ip);
    const { node } = config;
    const port = await portOf(node.listen, box);
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
  const modules = [
    import('./runGraph.ts'),
    import('../config/components.ts'),
    import('../node/index.ts'),
    import('../report/reporter.ts').then(async ({ loadReporter }) => loadReporter({ output })),
  ] as const;
  const [{ runGraph }, { toComponents }, { kubernetesNode }] = await Promise.all(modules);
  return { runGraph, toComponents, kubernetesNode };
}

/** A config may refer to the node's address, and is read anew when that is known; the one of a whole plan does not. */
async function known({ options, config, binaries }: PlanSoFar, ip: string): Promise<Config> {
  if (binaries !== undefined || ip === unknownIp) return config;
  return (await import('./options.ts')).configFor(options, ip);
}
