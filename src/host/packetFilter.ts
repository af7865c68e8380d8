import { Failure } from '../lib/errors.ts';
import { pathWithSbin } from './tool.ts';

/** iptables-save and iptables-restore, or those for IPv6. */
export interface PacketFilter {
  readonly save: string;
  readonly restore: string;
}

/** The chains whose names begin with one of the prefixes, in the order of their tables. */
export async function chainsOf({ save }: PacketFilter, prefixes: readonly string[]): Promise<string[]> {
  return tablesOf(await savedRules(save), prefixes).flatMap(({ chains }) => chains);
}

/**
 * Removes the chains whose names begin with one of the prefixes and the rules that jump to them, each table atomically. All
 * other rules stay untouched, unlike after restoring a filtered list.
 */
export async function removeChains({
  save,
  restore,
  prefixes,
}: PacketFilter & { readonly prefixes: readonly string[] }): Promise<void> {
  const tables = tablesOf(await savedRules(save), prefixes).filter(({ chains }) => chains.length > 0);
  if (tables.length === 0) return;
  const input = tables.map(({ name, chains, jumps }) =>
    [
      `*${name}`,
      ...jumps.map((rule) => rule.replace(/^-A/, '-D')),
      // First flush all: a chain that is the target of a rule cannot be removed.
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
  if (failed) throw new Failure('preflight', `cannot remove the node's packet filter rules: ${stderr}`);
}

interface Table {
  readonly name: string;
  readonly chains: string[];
  /** Rules of other chains that jump to these. */
  readonly jumps: string[];
}

/** Parses the output of iptables-save: `*table`, then `:chain`, then `-A chain ... -j target`, then `COMMIT`. */
function tablesOf(text: string, prefixes: readonly string[]): Table[] {
  const isNodes = (chain: string | undefined): boolean =>
    chain !== undefined && prefixes.some((prefix) => chain.startsWith(prefix));
  return text.split(/^\*/m).map((table) => {
    const lines = table.split('\n');
    const chains = lines.flatMap((line) => /^:(\S+)/.exec(line)?.[1] ?? []).filter(isNodes);
    const jumps = lines.filter((line) => {
      const chain = /^-A (\S+)/.exec(line)?.[1];
      // A comment may contain ` -j `.
      const target = / -[jg] (\S+)/.exec(line.replaceAll(/"(?:[^"\\]|\\.)*"/g, ''))?.[1];
      return chain !== undefined && !isNodes(chain) && isNodes(target);
    });
    return { name: lines[0] ?? '', chains, jumps };
  });
}

async function savedRules(save: string): Promise<string> {
  // Loaded here: only a node without a sandbox needs it.
  const { execa } = await import('execa');
  return (await execa(save, { env: { PATH: pathWithSbin() } })).stdout;
}
