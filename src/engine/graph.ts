import { dependencyName } from './component.ts';
import type { Component } from './component.ts';
import { Failure } from '../lib/errors.ts';

/** What a graph is made of: a component, or what is known of one. */
type Vertex = Pick<Component, 'name' | 'needs'>;

/**
 * The components in an order in which each comes after all it needs; among equals the given order is kept.
 * @throws Failure `usage` for a duplicate name, an unknown need, or a cycle, which is shown as a path.
 */
export function sortByDependencies<V extends Vertex>(components: readonly V[]): V[] {
  const byName = index(components);
  const missing = new Map(
    components.map(({ name, needs }) => [name, new Set(needs.map(dependencyName)).size]),
  );
  const dependents = dependentsOf(components);
  const order = components.filter(({ needs }) => needs.length === 0);
  for (const { name } of order) {
    for (const dependent of dependents(name)) {
      const left = (missing.get(dependent) ?? 0) - 1;
      missing.set(dependent, left);
      if (left === 0) order.push(byName.get(dependent)!);
    }
  }
  if (order.length < components.length) {
    throw new Cycle(cycleIn(byName, new Set(order.map(({ name }) => name))));
  }
  return order;
}

/** The needs go round. */
export class Cycle extends Failure {
  /** The names on it: each needs the next, and the last needs the first. */
  readonly path: readonly string[];

  constructor(path: readonly string[]) {
    super('usage', `the needs go round in a circle: ${[...path, path[0]].join(' -> ')}`, {
      hint: 'remove one of these needs',
    });
    this.path = path;
  }
}

/** From a component's name to the names of those that need it. */
export function dependentsOf(components: readonly Vertex[]): (name: string) => readonly string[] {
  const dependents = new Map<string, string[]>(components.map(({ name }) => [name, []]));
  for (const { name, needs } of components) {
    for (const need of new Set(needs.map(dependencyName))) dependents.get(need)?.push(name);
  }
  return (name) => dependents.get(name) ?? [];
}

/** The component itself and all that need it, directly or not, in the given order. `order` comes from {@link sortByDependencies}. */
export function withDependents(order: readonly Vertex[], name: string): string[] {
  const found = new Set([name]);
  for (const component of order) {
    if (component.needs.some((need) => found.has(dependencyName(need)))) found.add(component.name);
  }
  return order.map((component) => component.name).filter((other) => found.has(other));
}

/**
 * Visits every name once all those `before` it are done, independent ones in parallel: one promise per name. `order`
 * must list each name after those before it. Called with dependents it stops a graph: nothing goes before what needs it.
 */
export async function visitInOrder(
  order: readonly string[],
  before: (name: string) => readonly string[],
  visit: (name: string) => Promise<void>,
): Promise<void> {
  const visits = new Map<string, Promise<void>>();
  for (const name of order) {
    const earlier = Promise.all(before(name).map(async (other) => visits.get(other)));
    visits.set(
      name,
      earlier.then(async () => visit(name)),
    );
  }
  await Promise.all(visits.values());
}

function index<V extends Vertex>(components: readonly V[]): Map<string, V> {
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

/** Everything not in `ordered` is on a cycle or behind one, so walking from need to need must come round. */
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
