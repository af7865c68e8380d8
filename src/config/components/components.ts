import type { Component } from '../../engine/component.ts';
import { dependencyName } from '../../engine/component.ts';
import { Cycle, sortByDependencies } from '../../engine/graph.ts';
import type { ComponentSpec } from '../schema/componentSpec.ts';
import type { Config } from '../config.ts';
import { componentOf, override } from './override.ts';
import { Problems } from '../yaml/problems.ts';
import { didYouMean } from '../../lib/text/suggest.ts';

/** The keys of a config that mean something to a built-in step. */
const builtInTaskKeys = new Set(['enabled', 'needs', 'timeout', 'restart']);

/**
 * The graph that a config asks for: the built-in components with its changes, then its own. With `kubernetes: false` there
 * are only its own.
 * @throws Failure `usage` with the place in the file of everything that does not fit the built-in components or makes no graph.
 */
export function toComponents(config: Config, builtIns: readonly Component[]): Component[] {
  const { node, dir } = config;
  const known = new Map((node.kubernetes === false ? [] : builtIns).map((one) => [one.name, one]));
  const specs = Object.entries(config.components);
  const problems = new Problems(config.file ?? 'config');
  checkSpecs(specs, known, config, problems);
  checkNeeds(known, config, problems);
  problems.throwIfAny();

  const changed = [...known.values()].map((one) => {
    const spec = config.components[one.name];
    return spec === undefined ? one : override(one, spec, dir);
  });
  const own = specs.filter(([name]) => !known.has(name)).map(([name, spec]) => componentOf(name, spec, dir));
  const all = [...changed, ...own].filter(({ name }) => config.components[name]?.enabled !== false);
  checkCycle(all, config, problems);
  problems.throwIfAny();
  return all;
}

function checkSpecs(
  specs: readonly (readonly [string, ComponentSpec])[],
  known: ReadonlyMap<string, Component>,
  { positionOf }: Config,
  problems: Problems,
): void {
  for (const [name, spec] of specs) {
    const builtIn = known.get(name);
    const refuse = (message: string, ...path: string[]): void =>
      problems.add(positionOf(['components', name, ...path]), `components.${name}: ${message}`);
    if (builtIn === undefined) {
      if (spec.command === undefined && (spec.task !== true || spec.ready === undefined))
        refuse(`it has no command, and no built-in component has this name${didYouMean(name, known.keys())}`);
    } else if (builtIn.kind === 'task') {
      for (const key of Object.keys(spec).filter((each) => !builtInTaskKeys.has(each)))
        refuse(`"${key}" cannot be changed: it is a built-in step, not a process`, key);
    } else if (spec.task !== undefined) {
      refuse('it is built in, as a process that keeps running: "task" cannot be changed', 'task');
    }
  }
}

/** Here and not only in the graph, because here the line is known. */
function checkNeeds(
  known: ReadonlyMap<string, Component>,
  { components, positionOf }: Config,
  problems: Problems,
): void {
  const names = new Set([...known.keys(), ...Object.keys(components)]);
  const isDisabled = (name: string): boolean => components[name]?.enabled === false;
  for (const name of [...names].filter((each) => !isDisabled(each))) {
    const needs = components[name]?.needs ?? known.get(name)?.needs ?? [];
    for (const [index, need] of needs.entries()) {
      const on = dependencyName(need);
      const own = ['components', name, 'needs', index];
      if (!names.has(on))
        problems.add(
          positionOf(own),
          `components.${name}.needs: there is no component "${on}"${didYouMean(on, names)}`,
        );
      else if (isDisabled(on)) {
        const place = components[name]?.needs === undefined ? ['components', on, 'enabled'] : own;
        problems.add(
          positionOf(place),
          `${name} needs ${on}, which is disabled: disable it too, or change its needs`,
        );
      }
    }
  }
}

/** The built-in needs do not go round, so at least one on the cycle stands in the file. */
function checkCycle(all: readonly Component[], { components, positionOf }: Config, problems: Problems): void {
  try {
    sortByDependencies(all);
  } catch (error) {
    if (!(error instanceof Cycle)) throw error;
    const { path, message, hint } = error;
    const places = path.map((from, i) => {
      const to = path[i + 1] ?? path[0];
      const index = components[from]?.needs?.findIndex((need) => dependencyName(need) === to) ?? -1;
      return index < 0 ? undefined : ['components', from, 'needs', index];
    });
    problems.add(positionOf(places.find((place) => place !== undefined) ?? []), `${message}: ${hint}`);
  }
}
