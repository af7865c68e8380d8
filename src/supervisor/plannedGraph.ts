import { toComponents } from '../config/components/toComponents.ts';
import type { Config } from '../config/config.ts';
import type { Component } from '../engine/component.ts';
import { sortByDependencies } from '../engine/graph.ts';
import type { Binaries } from '../install/install.ts';
import { nodeBinaries } from '../install/find/binaries.ts';
import { plannedAddonFiles } from '../kubernetes/addons/source.ts';
import type { NodeFacts } from '../kubernetes/facts.ts';
import { clusterFactsOf } from '../kubernetes/join/cluster.ts';
import { joinUrl } from '../kubernetes/join/joinable.ts';
import { kubernetesNode, kubernetesWorker } from '../kubernetes/node.ts';
import { nodePaths } from '../lib/paths.ts';
import { factsOf, unknownHost } from './nodeFacts.ts';
import { workerConfig } from './worker.ts';

type NodeNeed = keyof Binaries['files'];

/**
 * The graph of a config, dependencies first, to be shown and not to be run: no binary is looked for.
 * @param files programs that a command has to ask, by name
 * @param kubernetesVersion what version-dependent components are made for. Default: the newest.
 * @throws Failure `usage` when the components do not form a graph
 */
export function plannedGraph(
  config: Config,
  kubernetesVersion = '',
  files: Partial<Record<NodeNeed, string>> = {},
): Component[] {
  const isPlain = config.node.kubernetes === false;
  const builtIns = isPlain ? [] : kubernetesNode(plannedFacts(config, kubernetesVersion, files));
  return sortByDependencies(toComponents(config, builtIns));
}

/** The graph of a worker with this config, as {@link plannedGraph}. */
export function plannedWorker(config: Config): Component[] {
  const cluster = clusterFactsOf(config.node, '');
  const joining = { server: joinUrl({ config: config.node, ip: unknownHost.ip }), ca: '', cluster };
  const facts = { ...plannedFacts(workerConfig(config, joining), '', {}), joining };
  return sortByDependencies(toComponents(config, kubernetesWorker(facts, joining)));
}

function plannedFacts(
  { node, file }: Config,
  kubernetesVersion: string,
  files: Partial<Record<NodeNeed, string>>,
): NodeFacts {
  return factsOf(node, unknownBinaries(kubernetesVersion, files), {
    ...unknownHost,
    addons: {
      files: plannedAddonFiles(nodePaths(node.name, node.dataDir).addons),
      hasConfigFile: file !== undefined,
    },
    dns: { kind: node.dns.server === 'none' ? 'none' : 'embedded' },
  });
}

function unknownBinaries(version: string, known: Partial<Record<NodeNeed, string>>): Binaries {
  return {
    files: { ...eachNeed((name) => name), ...known },
    versions: eachNeed(() => version),
    from: eachNeed(() => 'path' as const),
    searchPath: '',
  };
}

function eachNeed<Value>(value: (name: string) => Value): Record<NodeNeed, Value> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each binary has its entry
  return Object.fromEntries(nodeBinaries.map(({ name }) => [name, value(name)])) as Record<NodeNeed, Value>;
}
