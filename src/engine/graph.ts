import { dependencyName } from './component.ts';
import type { Component } from './component.ts';
import { Failure } from '../lib/errors.ts';

/** As much of a component as the graph needs. */
type Vertex = Pick<Component, 'name' | 'needs'>;

/**
 * Sorts topologically: each component comes after all its dependencies. Independent ones keep their order.
 * @throws Failure `usage` for a duplicate name or an unknown dependency; {@link Cycle} for a circular one.
 */
export function sortByDependencies<V extends Vertex>(components: readonly V[]): V[] {
  const byName = indexByName(components);
  const unmet = new Map(components.map(({ name, needs }) => [name, new Set(needs.map(dependencyName)).size]));
  const dependents = dependentsOf(components);
  const order = components.filter(({ needs }) => needs.length === 0);
  for (const { name } of order) {
    for (const dependent of dependents(name)) {
      const remaining = (unmet.get(dependent) ?? 0) - 1;
      unmet.set(dependent, remaining);
      if (remaining === 0) order.push(byName.get(dependent)!);
    }
  }
  if (order.length < components.length) {
    throw new Cycle(cycleIn(byName, new Set(order.map(({ name }) => name))));
  }
  return order;
}

/** A circular dependency. */
export class Cycle extends Failure {
  /** Names of the components: each depends on the next, and the last on the first. */
  readonly path: readonly string[];

  constructor(path: readonly string[]) {
    super('usage', `circular dependency: ${[...path, path[0]].join(' -> ')}`, {
      hint: 'remove one of these needs',
    });
    this.path = path;
  }
}

/** Returns a function from the name of a component to the names of its direct dependents. */
export function dependentsOf(components: readonly Vertex[]): (name: string) => readonly string[] {
  const dependents = new Map<string, string[]>(components.map(({ name }) => [name, []]));
  for (const { name, needs } of components) {
    for (const need of new Set(needs.map(dependencyName))) dependents.get(need)?.push(name);
  }
  return (name) => dependents.get(name) ?? [];
}

/** The names of all components that depend on `name`, directly or not, in the given order. */
export function transitiveDependents(components: readonly Vertex[], name: string): string[] {
  const dependents = dependentsOf(components);
  const found = new Set([name]);
  // A Set that grows while it is iterated over yields its new members, too.
  for (const each of found) for (const dependent of dependents(each)) found.add(dependent);
  return components.map((component) => component.name).filter((other) => other !== name && found.has(other));
}

/**
 * Visits each name once all those `before` it are done, independent ones concurrently. `order` must list each name after
 * those `before` it. To stop a graph, `before` gives the dependents: a component is stopped after all of them.
 */
export async function visitInOrder(
  order: readonly string[],
  before: (name: string) => readonly string[],
  visit: (name: string) => Promise<void>,
): Promise<void> {
  const visits = new Map<string, Promise<void>>();
  for (const name of order) {
    const earlier = Promise.all(before(name).map(async (other) => visits.get(other)));
    const visited = earlier.then(async () => visit(name));
    visits.set(name, visited);
  }
  await Promise.all(visits.values());
}

function indexByName<V extends Vertex>(components: readonly V[]): Map<string, V> {
  const byName = new Map<string, V>();
  for (const component of components) {
    if (byName.has(component.name)) {
      throw new Failure('usage', `two components are named "${component.name}"`, {
        hint: 'rename one of them',
      });
    }
    byName.set(component.name, component);
  }
  for (const { name, needs } of components) {
    const unknown = needs.map(dependencyName).find((need) => !byName.has(need));
    if (unknown !== undefined) {
      throw new Failure('usage', `"${name}" needs "${unknown}", which is not a component`, {
        hint: `the components are: ${[...byName.keys()].join(', ')}`,
      });
    }
  }
  return byName;
}

/** Each component not in `ordered` is on a cycle or depends on one, so following its dependencies ends in a cycle. */
function cycleIn(byName: ReadonlyMap<string, Vertex>, ordered: ReadonlySet<string>): string[] {
  const path: string[] = [];
  let name = [...byName.keys()].find((candidate) => !ordered.has(candidate))!;
  while (!path.includes(name)) {
    path.push(name);
    name = byName
      .get(name)!
      .needs.map(dependencyName)
      .find((need) => !ordered.has(need))!;
  }
  return path.slice(path.indexOf(name));
}
