import type { z } from 'zod';
import { clusterSchema } from '../schema/clusterSchema.ts';
import { addIssues } from './parseConfig.ts';
import { Problems } from './problems.ts';
import { YamlFile } from './yamlFile.ts';

type Nodes = z.infer<typeof clusterSchema>['nodes'];

/**
 * Parses the text of a file of several nodes: control planes first. Undefined if it has no key `nodes`.
 * @throws Failure `usage` with every error, one `file:line:column: message` per line
 */
export function parseCluster(text: string, file: string): Nodes | undefined {
  const problems = new Problems(file);
  const yaml = new YamlFile(text, problems);
  const { root } = yaml;
  if (typeof root !== 'object' || root === null || !Object.hasOwn(root, 'nodes')) return undefined;
  const parsed = clusterSchema.safeParse(root, { reportInput: true });
  if (!parsed.success) addIssues(parsed.error.issues, yaml, problems);
  problems.throwIfAny();
  const { nodes } = parsed.data!;
  const add = (index: number, key: string, message: string): void =>
    problems.add(yaml.positionOf(['nodes', index, key]), `nodes.${index}.${key}: ${message}`);
  if (nodes.length === 0) problems.add(yaml.positionOf(['nodes']), 'nodes: expected at least one');
  for (const [index, { name, join }] of nodes.entries()) {
    if (nodes.findIndex((other) => other.name === name) < index)
      add(index, 'name', `there is another node "${name}" above`);
    if (join === undefined) continue;
    const control = nodes.find((other) => other.name === join);
    if (control === undefined) add(index, 'join', `there is no node "${join}" in this file`);
    else if (control.join !== undefined)
      add(index, 'join', `"${join}" is a worker itself: expected a node without "join"`);
  }
  problems.throwIfAny();
  return nodes.toSorted((a, b) => Number(a.join !== undefined) - Number(b.join !== undefined));
}
