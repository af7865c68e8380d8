import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentialsFor } from '../../config/registryFiles.ts';
import { anyRegistry } from '../../config/schema/defaults.ts';
import type { NodeConfig } from '../../config/schema/node.ts';
import type { NodeFacts } from '../facts.ts';

type Registries = NodeConfig['registries'];
type Registry = Registries[string];

/** The folder of the hosts.toml files: docs/hosts.md of containerd. */
function hostsFolder({ paths }: NodeFacts): string {
  return join(paths.containerd, 'hosts');
}

/**
 * Writes a hosts.toml for each registry with mirrors or a certificate. containerd reads them at each pull.
 */
export function writeHostsFiles(facts: NodeFacts): void {
  const folder = hostsFolder(facts);
  // Ours alone: nothing is left of another config.
  rmSync(folder, { recursive: true, force: true });
  if (facts.differences.containerd.registriesIn !== 'hosts') return;
  const { registries } = facts.config;
  for (const [host, registry] of Object.entries(registries)) {
    if (registry.mirrors.length === 0 && !hasTls(registry)) continue;
    const dir = join(folder, host === anyRegistry ? '_default' : host);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'hosts.toml'), hostsFile(host, registry, registries));
  }
}

/**
 * The registry itself is the last of the hosts, and `server` is asked for nothing: containerd up to 1.6 ignores a file without
 * hosts, and every version asks `server` for what the hosts do not have.
 */
function hostsFile(host: string, registry: Registry, registries: Registries): string {
  const own = host === anyRegistry ? undefined : urlOf(host, registry);
  const urls = [...registry.mirrors, ...(own !== undefined && asksUpstream(host, registry) ? [own] : [])];
  const server = own ?? (asksUpstream(host, registry) ? undefined : registry.mirrors[0]);
  return [
    // Without it containerd asks the registry itself at last.
    ...(server === undefined ? [] : [`server = ${quote(server)}`, 'capabilities = ["push"]']),
    ...urls.flatMap((url) => hostSection(url, registries)),
    '',
  ].join('\n');
}

function hostSection(url: string, registries: Registries): string[] {
  const { host, pathname } = new URL(url);
  const { ca, cert, key, skipVerify = false } = registries[host === dockerHub ? 'docker.io' : host] ?? {};
  return [
    `[host.${quote(url)}]`,
    '  capabilities = ["pull", "resolve"]',
    ...(ca === undefined ? [] : [`  ca = ${quote(ca)}`]),
    ...(cert === undefined || key === undefined ? [] : [`  client = [[${quote(cert)}, ${quote(key)}]]`]),
    // Of a registry at localhost containerd verifies nothing, and it tries HTTPS first.
    ...(skipVerify || (url.startsWith('http:') && isLocal(host)) ? ['  skip_verify = true'] : []),
    // Such as Harbor's /v2/PROJECT, a proxy cache: containerd would add another /v2.
    ...(hasApiPath(pathname) ? ['  override_path = true'] : []),
  ];
}

/** The registry of docker.io. */
const dockerHub = 'registry-1.docker.io';

function urlOf(host: string, registry: Registry): string {
  if (host === 'docker.io') return `https://${dockerHub}`;
  const isPlain = isLocal(host) && host.includes(':') && !hasTls(registry);
  return `${isPlain ? 'http' : 'https'}://${host}`;
}

function asksUpstream(host: string, { mirrors, upstream }: Registry): boolean {
  // In a sandbox that is the node, on which no registry listens.
  return upstream ?? (mirrors.length === 0 || !isLocal(host));
}

function isLocal(host: string): boolean {
  return /^localhost(?::|$)/.test(host);
}

function hasApiPath(path: string): boolean {
  return /(?:^|\/)v2(?:\/|$)/.test(path);
}

function hasTls({ ca, cert, skipVerify }: Registry): boolean {
  return ca !== undefined || cert !== undefined || skipVerify;
}

/** The tables of the registries in the config of this plugin of CRI. They have passwords. */
export function registrySection(facts: NodeFacts, plugin: string): string {
  const { registries } = facts.config;
  const table = `plugins.${quote(plugin)}.registry`;
  const inHosts = facts.differences.containerd.registriesIn === 'hosts';
  return [
    `[${table}]`,
    ...(inHosts ? [`  config_path = ${quote(hostsFolder(facts))}`] : oldMirrors(table, registries)),
    ...(inHosts
      ? []
      : Object.entries(registries).flatMap(([host, registry]) => oldTls(table, host, registry))),
    ...Object.entries(registries).flatMap(([host, registry]) => authOf(table, host, registry)),
    '',
  ].join('\n');
}

function authOf(table: string, host: string, registry: Registry): string[] {
  const found = credentialsFor(host, registry);
  if (found === undefined) return [];
  const values = 'identityToken' in found ? { identitytoken: found.identityToken } : found;
  return section(configOf(table, host, 'auth'), values);
}

/** For containerd 1.4, which has no hosts.toml, and always asks the registry itself at last. */
function oldMirrors(table: string, registries: Registries): string[] {
  return Object.entries(registries)
    .filter(([, { mirrors }]) => mirrors.length > 0)
    .flatMap(([host, { mirrors }]) => [
      `[${table}.mirrors.${quote(host)}]`,
      `  endpoint = [${mirrors.map((url) => quote(withApiPath(url))).join(', ')}]`,
    ]);
}

/** There the path of an endpoint is the whole path of the API. */
function withApiPath(url: string): string {
  const { pathname } = new URL(url);
  return pathname === '/' || hasApiPath(pathname) ? url : `${url.replace(/\/$/, '')}/v2`;
}

function oldTls(table: string, host: string, registry: Registry): string[] {
  if (!hasTls(registry)) return [];
  const { ca = '', cert = '', key = '', skipVerify } = registry;
  const files = Object.entries({ ca_file: ca, cert_file: cert, key_file: key }).filter(
    ([, file]) => file !== '',
  );
  return [
    ...section(configOf(table, host, 'tls'), Object.fromEntries(files)),
    ...(skipVerify ? ['  insecure_skip_verify = true'] : []),
  ];
}

function configOf(table: string, host: string, part: string): string {
  return `${table}.configs.${quote(host === 'docker.io' ? dockerHub : host)}.${part}`;
}

function section(name: string, values: Readonly<Record<string, string>>): string[] {
  return [`[${name}]`, ...Object.entries(values).map(([key, value]) => `  ${key} = ${quote(value)}`)];
}

/** A TOML basic string: JSON's escapes are a subset of TOML's. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
