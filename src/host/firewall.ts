import { readFile, realpath } from 'node:fs/promises';
import { BlockList } from 'node:net';
import { dirname, join } from 'node:path';
import { note, ok, problem } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { runOne } from './tool.ts';

/** The first packet of a TCP connection. */
interface Packet {
  readonly hook: 'forward' | 'input';
  readonly iif: string;
  /** Empty for a packet to the machine itself. */
  readonly oif: string;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
}

type Verdict = 'accept' | 'drop' | 'return' | 'continue' | 'unknown';

/** `undefined`: whether it matches cannot be told from here. */
type Match = boolean | undefined;

interface Rule {
  readonly match: Match;
  readonly verdict: Verdict | { readonly jump: string; readonly goto: boolean };
}

interface Chain {
  readonly name: string;
  /** Of a chain that the kernel calls, lower-case. */
  readonly policy?: string | undefined;
  readonly rules: Rule[];
}

/** The chains of one table, already evaluated for one packet, and the names of those that the kernel calls for it. */
interface Table {
  readonly chains: ReadonlyMap<string, Chain>;
  readonly entries: readonly string[];
}

/** What drops a packet. */
interface Blocked {
  readonly chain: string;
  readonly isPolicy: boolean;
}

/**
 * What drops the packet for certain. A rule that cannot be evaluated counts in favour of the packet: no false alarm.
 * @internal exported for tests
 */
export function blockedIn({ chains, entries }: Table): Blocked | undefined {
  for (const entry of entries) {
    const chain = chains.get(entry);
    const blocked: { in?: string } = {};
    const verdict = chain === undefined ? 'continue' : walk(chains, chain, blocked, 0);
    if (verdict === 'drop') return { chain: blocked.in ?? entry, isPolicy: false };
    if (verdict === 'continue' && chain?.policy === 'drop') return { chain: entry, isPolicy: true };
  }
  return undefined;
}

function walk(
  chains: Table['chains'],
  { name, rules }: Chain,
  blocked: { in?: string },
  depth: number,
): Verdict {
  for (const { match, verdict } of rules) {
    if (match === false) continue;
    const isJump = typeof verdict === 'object';
    const target = isJump ? chains.get(verdict.jump) : undefined;
    // The kernel allows 16 levels.
    const result = isJump
      ? target === undefined || depth > 16
        ? 'unknown'
        : walk(chains, target, blocked, depth + 1)
      : verdict;
    if (match === undefined && result !== 'drop' && result !== 'continue') return 'unknown';
    if (match === undefined) continue;
    if (result === 'return') return 'continue';
    if (result === 'drop') blocked.in ??= name;
    if (result !== 'continue') return result;
    if (isJump && verdict.goto) return 'continue';
  }
  return 'continue';
}

/** All of them; `undefined` only if none is false. */
function every(matches: readonly Match[]): Match {
  if (matches.includes(false)) return false;
  return matches.includes(undefined) ? undefined : true;
}

function isInRange(address: string, range: string): Match {
  const [net = '', prefix = '32'] = range.split('/');
  if (!/^[\d.]+$/.test(net) || !/^\d+$/.test(prefix)) return net.includes(':') ? false : undefined;
  const list = new BlockList();
  list.addSubnet(net, Number(prefix), 'ipv4');
  return list.check(address);
}

function isInterface(name: string, pattern: string): boolean {
  return /[+*]$/.test(pattern) ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function isPort(port: number, list: string): boolean {
  return list.split(',').some((range) => {
    const [first = '0', last = first] = range.split(/[:-]/);
    return port >= Number(first) && port <= Number(last);
  });
}

/** Targets of iptables after which the next rule comes (iptables-extensions(8)). */
const passing = new Set([
  'LOG',
  'NFLOG',
  'MARK',
  'CONNMARK',
  'TCPMSS',
  'AUDIT',
  'SET',
  'CT',
  'TRACE',
  'CLASSIFY',
]);

/** The table `filter` of an output of iptables-save. @internal exported for tests */
export function parseIptables(text: string, packet: Packet): Table {
  const lines = (/^\*filter$([^]*?)^COMMIT$/m.exec(text)?.[1] ?? '').split('\n');
  const chains = new Map<string, Chain>();
  for (const line of lines) {
    const [, name, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (name !== undefined) chains.set(name, { name, policy: policy?.toLowerCase(), rules: [] });
    const [, chain = '', rest] = /^(?:\[\d+:\d+\] )?-A (\S+)(.*)/.exec(line) ?? [];
    if (rest !== undefined) chains.get(chain)?.rules.push(iptablesRule(rest, packet));
  }
  return { chains, entries: [packet.hook.toUpperCase()] };
}

function iptablesRule(text: string, packet: Packet): Rule {
  const words = text.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  const matches: Match[] = [];
  let isNegated = false;
  for (let at = 0; at < words.length; at++) {
    const option = words[at]!;
    const value = words[at + 1] ?? '';
    if (option === '!') {
      isNegated = true;
      continue;
    }
    if (option === '-j' || option === '-g')
      return { match: every(matches), verdict: iptablesVerdict(value, option === '-g') };
    // What follows a module is evaluated, or not known.
    if (option !== '-m' && option !== '--comment') {
      const match = option.startsWith('-') ? iptablesMatch(option, value, packet) : undefined;
      matches.push(isNegated && match !== undefined ? !match : match);
    }
    isNegated = false;
    if (!value.startsWith('-') && value !== '!') at++;
  }
  return { match: every(matches), verdict: 'continue' };
}

function iptablesVerdict(target: string, goto: boolean): Rule['verdict'] {
  if (target === 'ACCEPT') return 'accept';
  if (target === 'DROP' || target === 'REJECT') return 'drop';
  if (target === 'RETURN') return 'return';
  return passing.has(target) ? 'continue' : { jump: target, goto };
}

function iptablesMatch(option: string, value: string, packet: Packet): Match {
  switch (option) {
    case '-s':
      return isInRange(packet.source, value);
    case '-d':
      return isInRange(packet.destination, value);
    case '-i':
      return isInterface(packet.iif, value);
    case '-o':
      return isInterface(packet.oif, value);
    case '-p':
      return value === 'tcp' || value === 'all' || value === '6';
    case '--dport':
    case '--dports':
      return isPort(packet.port, value);
    case '--ctstate':
    case '--state':
      return value.split(',').includes('NEW');
    case '--ctstatus':
      return value === 'NONE';
    case '--mark':
      // No packet begins with one.
      return Number(value.split('/')[0]) === 0;
    case '--dst-type':
      return value.split(',').includes(packet.hook === 'input' ? 'LOCAL' : 'UNICAST');
    default:
      return undefined;
  }
}

/** Where a rule of nftables is: libnftables-json(5). */
interface Place {
  readonly family: string;
  readonly table: string;
}

interface NftChain extends Place {
  readonly name: string;
  readonly policy?: string;
  readonly hook?: string;
}

interface NftRule extends Place {
  readonly chain: string;
  readonly expr: readonly NftStatement[];
}

/** What a statement compares. */
interface NftField {
  readonly meta?: { readonly key: string };
  readonly ct?: { readonly key: string };
  readonly fib?: { readonly result: string };
  readonly payload?: { readonly protocol?: string; readonly field?: string };
}

type NftValue =
  | string
  | number
  | readonly NftValue[]
  | {
      readonly set?: readonly NftValue[];
      readonly prefix?: { readonly addr: string; readonly len: number };
      readonly range?: readonly [number, number];
    };

/** One key of many: only these have a body that matters. */
interface NftStatement {
  readonly match?: { readonly op: string; readonly left: NftField; readonly right: NftValue };
  readonly vmap?: {
    readonly key: NftField;
    /** The name of a map, or its content. */
    readonly data: string | { readonly set?: readonly (readonly [NftValue, NftStatement])[] };
  };
  readonly jump?: { readonly target: string };
  readonly goto?: { readonly target: string };
}

/** The tables of an output of `nft --json list ruleset`, except those of iptables. @internal exported for tests */
export function parseNftables(text: string, packet: Packet): (Table & Place)[] {
  const { nftables }: { nftables: { chain?: NftChain; rule?: NftRule }[] } = JSON.parse(text);
  const tables = new Map<string, Place & { chains: Map<string, Chain>; entries: string[] }>();
  const tableOf = ({ family, table }: Place) => {
    const key = `${family} ${table}`;
    const known = tables.get(key) ?? { family, table, chains: new Map<string, Chain>(), entries: [] };
    tables.set(key, known);
    return known;
  };
  for (const { chain, rule } of nftables) {
    if (chain !== undefined) {
      const table = tableOf(chain);
      table.chains.set(chain.name, { name: chain.name, policy: chain.policy, rules: [] });
      if (chain.hook === packet.hook) table.entries.push(chain.name);
    }
    if (rule !== undefined) tableOf(rule).chains.get(rule.chain)?.rules.push(nftRule(rule.expr, packet));
  }
  const isOwn = ({ family, table }: Place): boolean =>
    family === 'inet' || (family === 'ip' && !/^(?:filter|nat|mangle|raw|security)$/.test(table));
  return [...tables.values()].filter(isOwn);
}

/** Statements that decide nothing. */
const neutral = /^(?:counter|log|mangle|notrack|continue|comment)$/;

function nftRule(statements: readonly NftStatement[], packet: Packet): Rule {
  const matches: Match[] = [];
  let verdict: Rule['verdict'] = 'continue';
  for (const each of statements) {
    const [kind = ''] = Object.keys(each);
    if (each.match !== undefined) matches.push(nftMatch(each.match, packet));
    else if (each.vmap !== undefined) verdict = nftMap(each.vmap, packet);
    else if (/^(?:accept|drop|reject|return|jump|goto)$/.test(kind)) verdict = nftVerdict(each);
    else if (!neutral.test(kind)) matches.push(undefined);
  }
  return { match: every(matches), verdict };
}

function nftVerdict(statement: NftStatement): Rule['verdict'] {
  const { jump, goto } = statement;
  const [kind] = Object.keys(statement);
  if (kind === 'accept' || kind === 'return' || kind === 'continue') return kind;
  if (kind === 'drop' || kind === 'reject') return 'drop';
  if (jump !== undefined) return { jump: jump.target, goto: false };
  return goto === undefined ? 'unknown' : { jump: goto.target, goto: true };
}

function nftMap({ key, data }: NonNullable<NftStatement['vmap']>, packet: Packet): Rule['verdict'] {
  if (typeof data === 'string' || data.set === undefined) return 'unknown';
  for (const [right, statement] of data.set) {
    const match = nftEquals(key, right, packet);
    if (match !== false) return match === undefined ? 'unknown' : nftVerdict(statement);
  }
  return 'continue';
}

function nftMatch({ op, left, right }: NonNullable<NftStatement['match']>, packet: Packet): Match {
  const isEqual = nftEquals(left, right, packet);
  if (op === '!=') return isEqual === undefined ? undefined : !isEqual;
  return op === '==' || op === 'in' ? isEqual : undefined;
}

function nftEquals({ meta, payload, ct, fib }: NftField, right: NftValue, packet: Packet): Match {
  if (payload !== undefined) return payloadEquals(payload, right, packet);
  const texts: Readonly<Record<string, string>> = {
    iifname: packet.iif,
    iif: packet.iif,
    oifname: packet.oif,
    oif: packet.oif,
    l4proto: 'tcp',
    nfproto: 'ipv4',
    protocol: 'ip',
    state: 'new',
    status: 'none',
    type: packet.hook === 'input' ? 'local' : 'unicast',
  };
  const text = texts[meta?.key ?? ct?.key ?? fib?.result ?? ''];
  if (text === undefined) return undefined;
  return oneOf(right, (each) => (typeof each === 'string' ? isInterface(text, each) : undefined));
}

function payloadEquals(
  { protocol = '', field = '' }: NonNullable<NftField['payload']>,
  right: NftValue,
  packet: Packet,
): Match {
  switch (`${protocol} ${field}`) {
    case 'ip saddr':
      return oneOf(right, (each) => addressEquals(packet.source, each));
    case 'ip daddr':
      return oneOf(right, (each) => addressEquals(packet.destination, each));
    case 'tcp dport':
    case 'th dport':
      return oneOf(right, (each) => portEquals(packet.port, each));
    case 'ip protocol':
      return oneOf(right, (each) => each === 'tcp' || each === 6);
    default:
      return /^(?:ip6|udp|icmp|icmpv6|sctp|esp|ah|arp)$/.test(protocol) ? false : undefined;
  }
}

/** Whether one of the values matches: of a set, of a list of flags, or the only one. */
function oneOf(right: NftValue, matches: (value: NftValue) => Match): Match {
  const set = isList(right) ? right : typeof right === 'object' ? right.set : undefined;
  const found = new Set(
    (set ?? [right]).map((each) =>
      typeof each === 'string' && each.startsWith('@') ? undefined : matches(each),
    ),
  );
  if (found.has(true)) return true;
  return found.has(undefined) ? undefined : false;
}

/** Array.isArray() does not narrow a readonly array. */
function isList(value: NftValue): value is readonly NftValue[] {
  return Array.isArray(value);
}

function addressEquals(address: string, value: NftValue): Match {
  if (typeof value === 'string') return isInRange(address, value);
  if (typeof value === 'number' || isList(value) || value.prefix === undefined) return undefined;
  return isInRange(address, `${value.prefix.addr}/${value.prefix.len}`);
}

function portEquals(port: number, value: NftValue): Match {
  if (typeof value === 'number') return value === port;
  if (typeof value === 'string' || isList(value) || value.range === undefined) return undefined;
  return port >= value.range[0] && port <= value.range[1];
}

/** What the traffic of pods looks like. */
export interface PodTraffic {
  /** The pods' bridge. */
  readonly bridge: string;
  readonly podCidr: string;
  /** The API server. */
  readonly ip: string;
  readonly port: number;
  /** The path of iptables-save. */
  readonly iptablesSave: string;
}

/**
 * Checks whether a firewall of this network namespace lets the pods reach each other and the API server. Reads the rules of
 * iptables, of its legacy variant, and of nftables where `nft` is installed; changes nothing.
 */
export async function checkFirewall(traffic: PodTraffic): Promise<CheckResult> {
  const { bridge, podCidr, ip, port } = traffic;
  const [first = '', second = ''] = [2, 3].map((last) => podCidr.replace(/\d+\/\d+$/, String(last)));
  const packet = { iif: bridge, source: first } as const;
  const rules = await readRules(traffic.iptablesSave);
  const forwarded = { ...packet, hook: 'forward', oif: bridge, destination: second, port: 8080 } as const;
  const forward = blockedBy(rules, forwarded, traffic);
  if (forward !== undefined) {
    const message = `${forward.what}: pods reach neither each other nor Services`;
    return problem('firewall', message, forward.remedy);
  }
  const input = blockedBy(rules, { ...packet, hook: 'input', oif: '', destination: ip, port }, traffic);
  if (input === undefined) return ok('firewall', 'lets the pods through');
  return note('firewall', `${input.what}: pods do not reach the API server`, input.remedy);
}

interface Rules {
  readonly iptables: string;
  readonly legacy: string;
  readonly nftables: string;
}

async function output(file: string, ...args: string[]): Promise<string> {
  return runOne([file, ...args], 5000).catch(() => '');
}

/** A variant that is not installed, or not in use, has no rules. */
async function readRules(iptablesSave: string): Promise<Rules> {
  const legacyTables = await readFile('/proc/net/ip_tables_names', 'utf8').catch(() => '');
  const [iptables, legacy, nftables] = await Promise.all([
    output(iptablesSave, '-t', 'filter'),
    legacyTables.includes('filter') ? legacyRules(iptablesSave) : '',
    output('nft', '--json', 'list', 'ruleset'),
  ]);
  return { iptables, legacy, nftables };
}

/** By the machine's own program, or else by the one that was unpacked beside `iptablesSave`: see install/debian. */
async function legacyRules(iptablesSave: string): Promise<string> {
  const own = await output('iptables-legacy-save', '-t', 'filter');
  if (own !== '') return own;
  const folder = dirname(await realpath(iptablesSave).catch(() => iptablesSave));
  return output(join(folder, 'iptables-save.legacy'), '-t', 'filter');
}

function blockedBy(rules: Rules, packet: Packet, { bridge, podCidr }: PodTraffic) {
  const chain = packet.hook.toUpperCase();
  for (const [program, text] of [
    ['iptables', rules.iptables],
    ['iptables-legacy', rules.legacy],
  ] as const) {
    const blocked = blockedIn(parseIptables(text, packet));
    if (blocked === undefined) continue;
    const accept = (direction: string): string => `${program} -I ${chain} ${direction} ${bridge} -j ACCEPT`;
    const directions = packet.hook === 'forward' ? ['-i', '-o'] : ['-i'];
    const route = packet.hook === 'forward' ? 'ufw route' : 'ufw';
    const ufw = packet.hook === 'forward' ? `; ${route} allow out on ${bridge}` : '';
    const remedy = text.includes(':ufw-')
      ? `${route} allow in on ${bridge}${ufw}`
      : directions.map(accept).join('; ');
    return { what: describe(blocked, `of ${program}`), remedy };
  }
  const tables = rules.nftables === '' ? [] : parseNftables(rules.nftables, packet);
  for (const table of tables) {
    const blocked = blockedIn(table);
    if (blocked === undefined) continue;
    const place = `${table.family} ${table.table}`;
    const accept = (key: string): string =>
      `nft insert rule ${place} ${blocked.isPolicy ? blocked.chain : (table.entries[0] ?? '')} ${key} ${bridge} accept`;
    const keys = packet.hook === 'forward' ? ['iifname', 'oifname'] : ['iifname'];
    const remedy =
      table.table === 'firewalld'
        ? `firewall-cmd --zone=trusted --add-source=${podCidr}`
        : keys.map(accept).join('; ');
    return { what: describe(blocked, `of the nftables table ${place}`), remedy };
  }
  return undefined;
}

function describe({ chain, isPolicy }: Blocked, where: string): string {
  return isPolicy
    ? `the policy of chain ${chain} ${where} is drop`
    : `a rule of chain ${chain} ${where} drops`;
}
