import { loadClusterFile } from '../config/clusterFile.ts';
import { unknownIp } from '../config/yaml/variables.ts';
import { maskedConfig, maskedConfigYaml } from '../config/show.ts';
import { exitCodes } from '../lib/errors.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { ConfigOptions } from '../supervisor/options.ts';
import { plannedGraph } from '../supervisor/plannedGraph.ts';

interface ShowOptions extends ConfigOptions {
  readonly output: 'yaml' | 'json';
}

/** `k8s-single config show`: prints the config with defaults filled in, references resolved and secrets masked. */
export async function configShow({ output, ...options }: ShowOptions): Promise<number> {
  const { node } = await loadNodeConfig(options);
  const ip = (await readNodeFile(node.name).catch(() => undefined))?.ip;
  const show = async (address?: string): Promise<string> => {
    const config = await loadNodeConfig(options, address);
    return output === 'json'
      ? `${JSON.stringify(maskedConfig(config), undefined, 2)}\n`
      : maskedConfigYaml(config);
  };
  const text = await show(ip);
  process.stdout.write(text);
  // Does the config depend on the address? Compare with one that is reserved for documentation (RFC 5737).
  if (ip === undefined && node.kubernetes !== false && text !== (await show('192.0.2.1')))
    console.error(`${unknownIp} stands for \${node.ip}, which is known only while the node runs`);
  return exitCodes.ok;
}

/** `k8s-single config check`: checks everything that can be checked without starting anything. */
export async function configCheck(options: ConfigOptions): Promise<number> {
  const nodes = await loadClusterFile(options.config);
  if (nodes !== undefined) {
    for (const { name, config } of nodes)
      if (config !== undefined) plannedGraph(await loadNodeConfig({ ...options, name, config }));
    console.error(`${options.config} is valid: ${nodes.length} nodes`);
    return exitCodes.ok;
  }
  const components = plannedGraph(await loadNodeConfig(options));
  console.error(
    `${options.config ?? 'the built-in config'} is valid: a graph of ${components.length} components`,
  );
  return exitCodes.ok;
}
