import type { Component } from '../../engine/component.ts';
import { dependencyName } from '../../engine/component.ts';
import { Cycle, sortByDependencies } from '../../engine/graph.ts';
import type { ComponentSpec } from '../schema/componentSpec.ts';
import type { Config } from '../config.ts';
import { buildComponent, overrideComponent } from './buildComponent.ts';
import { Problems } from '../yaml/problems.ts';
import { didYouMean } from '../../lib/text/suggest.ts';

/** The keys that apply to a built-in task. */
const builtInTaskKeys = new Set(['enabled', 'needs', 'timeout', 'restart']);

/**
 * The graph of a config: the built-in components with the user's changes, then the user's own components. With
 * `kubernetes: false` there are no built-in components.
 * @throws Failure `usage` with the position of each error: a change that does not fit its built-in component, an unknown or
 * disabled need, or a cycle.
 */
export function toComponents(config: Config, builtIns: readonly Component[]): Component[] {
  const { node, dir } = config;
  const builtInByName = new Map((node.kubernetes === false ? [] : builtIns).map((one) => [one.name, one]));
  const specs = Object.entries(config.components);
  const problems = new Problems(config.file ?? 'config');
  checkSpecs(specs, builtInByName, config, problems);
  checkNeeds(builtInByName, config, problems);
  problems.throwIfAny();

  const changed = [...builtInByName.values()].map((one) => {
    const spec = config.components[one.name];
    return spec === undefined ? one : overrideComponent(one, spec, dir);
  });
  const own = specs
    .filter(([name]) => !builtInByName.has(name))
    .map(([name, spec]) => buildComponent(name, spec, dir));
  const all = [...changed, ...own].filter(({ name }) => config.components[name]?.enabled !== false);
  checkCycle(all, config, problems);
  checkPorts(all, config, problems);
  problems.throwIfAny();
  return all;
}

function checkSpecs(
  specs: readonly (readonly [string, ComponentSpec])[],
  builtInByName: ReadonlyMap<string, Component>,
  { positionOf }: Config,
  problems: Problems,
): void {
  for (const [name, spec] of specs) {
    const builtIn = builtInByName.get(name);
    const refuse = (message: string, ...path: string[]): void =>
      problems.add(positionOf(['components', name, ...path]), `components.${name}: ${message}`);
    if (builtIn === undefined) {
      if (spec.command === undefined && (spec.task !== true || spec.ready === undefined))
        refuse(
          `it has no command, and no built-in component has this name${didYouMean(name, builtInByName.keys())}`,
        );
    } else if (builtIn.kind === 'task') {
      for (const key of Object.keys(spec).filter((each) => !builtInTaskKeys.has(each)))
        refuse(`"${key}" cannot be changed: this is a built-in task, not a service`, key);
    } else if (spec.task !== undefined) {
      refuse('"task" cannot be changed: this is a built-in service', 'task');
    }
  }
}

/** Checks the needs here, because the engine does not know their positions in the file. */
function checkNeeds(
  builtInByName: ReadonlyMap<string, Component>,
  { components, positionOf }: Config,
  problems: Problems,
): void {
  const names = new Set([...builtInByName.keys(), ...Object.keys(components)]);
  const isDisabled = (name: string): boolean => components[name]?.enabled === false;
  for (const name of [...names].filter((each) => !isDisabled(each))) {
    const needs = components[name]?.needs ?? builtInByName.get(name)?.needs ?? [];
    for (const [index, need] of needs.entries()) {
      const on = dependencyName(need);
      const path = ['components', name, 'needs', index];
      if (!names.has(on))
        problems.add(
          positionOf(path),
          `components.${name}.needs: there is no component "${on}"${didYouMean(on, names)}`,
        );
      else if (isDisabled(on)) {
        const isBuiltInNeed = components[name]?.needs === undefined;
        problems.add(
          positionOf(isBuiltInNeed ? ['components', on, 'enabled'] : path),
          `${name} needs ${on}, which is disabled: disable it too, or change its needs`,
        );
      }
    }
  }
}

/** Refuses a port that two services have: the second would be refused at its start, in whatever order they start. */
function checkPorts(
  all: readonly Component[],
  { node, components, positionOf }: Config,
  problems: Problems,
): void {
  const holders = new Map<number, string>();
  const positionIn = (name: string, port: number): readonly (string | number)[] | undefined => {
    const index = components[name]?.ports?.indexOf(port) ?? -1;
    return index < 0 ? undefined : ['components', name, 'ports', index];
  };
  const services = all.flatMap((one) => (one.kind === 'service' ? [one] : []));
  for (const { name, ports = [] } of services) {
    for (const port of new Set(ports)) {
      const other = holders.get(port);
      holders.set(port, name);
      if (other === undefined) continue;
      const setting = Object.entries(node.network).find(([, value]) => value === port)?.[0];
      const path = positionIn(name, port) ??
        positionIn(other, port) ?? ['network', ...(setting ? [setting] : [])];
      problems.add(positionOf(path), `${name} and ${other} have the same port ${port}`);
    }
  }
}

/** Reports a cycle at its first need in the file. There is one: the built-in needs have no cycle. */
function checkCycle(all: readonly Component[], { components, positionOf }: Config, problems: Problems): void {
  try {
    sortByDependencies(all);
  } catch (error) {
    if (!(error instanceof Cycle)) throw error;
    const { path, message, hint } = error;
    const needs = path.map((name, i) => {
      const next = path[i + 1] ?? path[0];
      const index = components[name]?.needs?.findIndex((need) => dependencyName(need) === next) ?? -1;
      return index < 0 ? undefined : ['components', name, 'needs', index];
    });
    problems.add(positionOf(needs.find((need) => need !== undefined) ?? []), `${message}: ${hint}`);
  }
}
