import { existsSync } from 'node:fs';
import type { NodeConfig } from '../../config/schema/node.ts';
import { ok, note, problem, toFailure } from '../../host/checkResult.ts';
import type { CheckResult } from '../../host/checkResult.ts';
import { coreDnsBinary } from '../../install/find/binaries.ts';
import { findBinaries } from '../../install/find/findBinaries.ts';
import { versionsOf } from '../../install/find/versions.ts';
import { reasonOf } from '../../lib/errors.ts';

/** What runs as the component `dns`. */
export type DnsServer =
  | { readonly kind: 'embedded' | 'none' }
  | { readonly kind: 'coredns'; readonly program: string };

interface Search {
  /** The folders to look into, separated by colons. */
  readonly searchPath: string;
  /** The minor version of Kubernetes: 20 for 1.20, 0 when it is unknown. */
  readonly minor: number;
  /** A file that remembers versions: see versionsOf. */
  readonly versionCache: string;
}

/** A choice, and how `up` and `doctor` explain it. */
export interface DnsChoice {
  readonly server: DnsServer;
  readonly result: CheckResult;
}

/** Chooses the DNS server by the config and by the binaries. A result at level `problem`: there is no such server. */
export async function chooseDnsServer(config: NodeConfig['dns'], search: Search): Promise<DnsChoice> {
  const { server, corefile } = config;
  const embedded: DnsServer = { kind: 'embedded' };
  if (server === 'none') return { server: { kind: 'none' }, result: ok('dns', 'none, by the config') };
  if (server === 'embedded' && corefile !== undefined)
    return {
      server: embedded,
      result: note('dns', 'only CoreDNS reads the corefile', 'set dns.server to coredns'),
    };
  if (server === 'embedded') return { server: embedded, result: ok('dns', 'the embedded server') };
  if (corefile !== undefined && !existsSync(corefile)) {
    const result = problem(
      'dns',
      `there is no Corefile ${corefile}`,
      'set dns.corefile to a file that exists',
    );
    return { server: embedded, result };
  }
  const found = await findCoreDns(search);
  if (found.unfit === undefined)
    return {
      server: { kind: 'coredns', program: found.program },
      result: ok('dns', `CoreDNS ${found.version}: ${found.program}`),
    };
  const remedy = 'give a folder with a fitting coredns with --bin-dir, or set "dns: embedded"';
  if (server === 'coredns' || corefile !== undefined)
    return { server: embedded, result: problem('dns', found.unfit, remedy) };
  const message = `the embedded server: ${found.unfit}`;
  return { server: embedded, result: found.isThere ? note('dns', message, remedy) : ok('dns', message) };
}

/** @throws Failure `preflight` if there is no such server */
export function assertDnsServer({ server, result }: DnsChoice): DnsServer {
  if (result.level === 'problem') throw toFailure(result);
  return server;
}

type CoreDns =
  | { readonly unfit: undefined; readonly program: string; readonly version: string }
  | { readonly unfit: string; readonly isThere: boolean };

async function findCoreDns({ searchPath, minor, versionCache }: Search): Promise<CoreDns> {
  try {
    const result = findBinaries({ binDirs: [], path: searchPath, cacheDirs: [], binaries: [coreDnsBinary] });
    const program = result.found.get(coreDnsBinary.name)?.path;
    if (program === undefined)
      return { unfit: 'no coredns in the bin-dirs, PATH or the cache', isThere: false };
    const version = (await versionsOf([coreDnsBinary], result, versionCache)).get(coreDnsBinary.name)!;
    const range = fittingVersions(minor);
    const isFitting = isInRange(version, range);
    if (isFitting) return { unfit: undefined, program, version };
    return {
      unfit: `${program} is CoreDNS ${version}; Kubernetes 1.${minor} needs ${range.words}`,
      isThere: true,
    };
  } catch (error) {
    return { unfit: reasonOf(error), isThere: true };
  }
}

interface Range {
  readonly from: readonly number[];
  readonly before?: readonly number[];
  readonly words: string;
}

/**
 * The versions of CoreDNS that read the endpoints of this version of Kubernetes. EndpointSlices of discovery.k8s.io/v1 (since
 * Kubernetes 1.21): since 1.8.4. Up to Kubernetes 1.20 there is only v1beta1: not since 1.11.0 (release notes of CoreDNS).
 */
function fittingVersions(minor: number): Range {
  return minor > 0 && minor <= 20
    ? { from: [1, 7, 0], before: [1, 11, 0], words: '1.7.0 to 1.10.x' }
    : { from: [1, 8, 4], words: '1.8.4 or newer' };
}

function isInRange(version: string, { from, before }: Range): boolean {
  const parts = version.split('.').map(Number);
  return compare(parts, from) >= 0 && (before === undefined || compare(parts, before) < 0);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = [0, 1, 2].find((each) => (a[each] ?? 0) !== (b[each] ?? 0));
  return index === undefined ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}
