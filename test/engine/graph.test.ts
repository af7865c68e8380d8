import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/engine/component.ts';
import {
  dependentsOf,
  sortByDependencies,
  transitiveDependents,
  visitInOrder,
} from '../../src/engine/graph.ts';

const task = (name: string, ...needs: string[]): Task => ({
  kind: 'task',
  name,
  needs,
  run: async () => undefined,
});
const names = (components: readonly { name: string }[]): string[] => components.map(({ name }) => name);

describe('sortByDependencies', () => {
  it('puts each component after all its dependencies', () => {
    const order = names(sortByDependencies([task('d', 'b', 'c'), task('b', 'a'), task('c', 'a'), task('a')]));
    expect(order).toEqual(['a', 'b', 'c', 'd']);
  });

  it('keeps the given order among independent components', () => {
    expect(names(sortByDependencies([task('z'), task('a'), task('m')]))).toEqual(['z', 'a', 'm']);
  });

  it('counts a dependency that is named twice once', () => {
    expect(names(sortByDependencies([task('b', 'a', 'a'), task('a')]))).toEqual(['a', 'b']);
  });

  it('refuses two components with the same name', () => {
    expect(() => sortByDependencies([task('a'), task('a')])).toThrow('two components are named "a"');
  });

  it('refuses an unknown dependency and lists the components', () => {
    expect(() => sortByDependencies([task('a', 'etdc'), task('etcd')])).toThrow(
      expect.objectContaining({
        code: 'usage',
        message: '"a" needs "etdc", which is not a component',
        hint: 'the components are: a, etcd',
      }),
    );
  });

  it('shows a cycle as a path, without the components that only depend on it', () => {
    const graph = [task('behind', 'a'), task('a', 'b'), task('b', 'c'), task('c', 'a')];
    expect(() => sortByDependencies(graph)).toThrow('circular dependency: a -> b -> c -> a');
  });

  it('shows a component that depends on itself', () => {
    expect(() => sortByDependencies([task('a', 'a')])).toThrow('a -> a');
  });

  it('takes a chain of 10,000 without running out of stack', () => {
    const chain = Array.from({ length: 10_000 }, (_, i) => task(`c${i}`, ...(i === 0 ? [] : [`c${i - 1}`])));
    expect(sortByDependencies(chain.toReversed()).at(-1)?.name).toBe('c9999');
  });
});

describe('transitiveDependents', () => {
  it('finds all that depend on a component, directly or not, in the given order', () => {
    const components = [task('c', 'b'), task('a'), task('b', 'a'), task('other')];
    expect(transitiveDependents(components, 'a')).toEqual(['c', 'b']);
    expect(transitiveDependents(components, 'c')).toEqual([]);
  });
});

describe('visitInOrder', () => {
  it('visits dependents before their dependencies, each once', async () => {
    const order = sortByDependencies([task('a'), task('b', 'a'), task('c', 'a'), task('d', 'b', 'c')]);
    const visited: string[] = [];
    await visitInOrder(names(order).toReversed(), dependentsOf(order), async (name) => {
      visited.push(name);
    });
    expect(visited.toSorted()).toEqual(['a', 'b', 'c', 'd']);
    expect(visited[0]).toBe('d');
    expect(visited.at(-1)).toBe('a');
  });

  it('does not visit what comes after a failed visit', async () => {
    const visited: string[] = [];
    const failing = visitInOrder(
      ['a', 'b'],
      (name) => (name === 'b' ? ['a'] : []),
      async (name) => {
        visited.push(name);
        throw new Error(`${name} failed`);
      },
    );
    await expect(failing).rejects.toThrow('a failed');
    expect(visited).toEqual(['a']);
  });
});
