import { Failure } from '../lib/errors.ts';
import { pathWithSbin } from './tool.ts';

/** iptables-save and iptables-restore, or those for IPv6. */
export interface PacketFilter {
  readonly save: string;
  readonly restore: string;
}

/** The chains whose names begin so, in the order of their tables. */
export async function chainsOf({ save }: PacketFilter, prefixes: readonly string[]): Promise<string[]> {
  return tablesOf(await saved(save), prefixes).flatMap(({ chains }) => chains);
}

/**
 * Removes the chains whose names begin so and the rules elsewhere that lead to them, each table in one step; nothing else
 * is touched, as it would be if a filtered list were restored.
 */
export async function removeChains({
  save,
  restore,
  prefixes,
}: PacketFilter & { readonly prefixes: readonly string[] }): Promise<void> {
  const tables = tablesOf(await saved(save), prefixes).filter(({ chains }) => chains.length > 0);
  if (tables.length === 0) return;
  const input = tables.map(({ name, chains, jumps }) =>
    [
      `*${name}`,
      ...jumps.map((rule) => rule.replace(/^-A/, '-D')),
      // First all are emptied: one that another leads to cannot be removed.
      ...chains.map((chain) => `-F ${chain}`),
      ...chains.map((chain) => `-X ${chain}`),
      'COMMIT\n',
    ].join('\n'),
  );
  const env = { PATH: pathWithSbin() };
  const { execa } = await import('execa');
  const { failed, stderr } = await execa(restore, ['--noflush', '--wait'], {
    input: input.join(''),
    env,
    reject: false,
  });
  if (failed) throw new Failure('preflight', `the node's packet filter rules cannot be removed: ${stderr}`);
}

interface Table {
  readonly name: string;
  readonly chains: string[];
  /** Rules of other chains that lead to these. */
  readonly jumps: string[];
}

/** What iptables-save prints: `*table`, then `:chain`, then `-A chain ... -j target`, then `COMMIT`. */
function tablesOf(text: string, prefixes: readonly string[]): Table[] {
  const isOurs = (chain: string | undefined): boolean =>
    chain !== undefined && prefixes.some((prefix) => chain.startsWith(prefix));
  return text.split(/^\*/m).map((table) => {
    const lines = table.split('\n');
    const chains = lines.flatMap((line) => /^:(\S+)/.exec(line)?.[1] ?? []).filter(isOurs);
    const jumps = lines.filter((line) => {
      const chain = /^-A (\S+)/.exec(line)?.[1];
      // A comment may speak of anything.
      const target = / -[jg] (\S+)/.exec(line.replaceAll(/"(?:[^"\\]|\\.)*"/g, ''))?.[1];
      return chain !== undefined && !isOurs(chain) && isOurs(target);
    });
    return { name: lines[0] ?? '', chains, jumps };
  });
}

async function saved(save: string): Promise<string> {
  // Only a node without a box has rules among those of the host: the others need not load it.
  const { execa } = await import('execa');
  return (await execa(save, { env: { PATH: pathWithSbin() } })).stdout;
}
