import { homeDir } from './paths.ts';

const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]);

/** Never behind a proxy. */
const loopback = ['localhost', '127.0.0.1', '127.0.0.0/8', '::1'];

/**
 * The proxy variables of an environment, with loopback and `direct` added to NO_PROXY: addresses, ranges in CIDR notation,
 * domains with a leading dot. Empty without a proxy. Programs differ in whether they read the names in upper or lower case,
 * and which one takes precedence, so both have the same value.
 */
export function proxyEnv(env: NodeJS.ProcessEnv, direct: readonly string[]): Record<string, string> {
  const given = proxies.flatMap((name) => (env[name] ? [[name, env[name]] as const] : []));
  if (given.length === 0) return {};
  const exceptions = [env['NO_PROXY'], env['no_proxy']].flatMap((list) => (list ?? '').split(/[\s,]+/));
  // curl takes the wildcard only when it stands alone.
  const all = exceptions.includes('*') ? ['*'] : [...exceptions.filter(Boolean), ...loopback, ...direct];
  const list = [...new Set(all)].join(',');
  return { ...Object.fromEntries(given), NO_PROXY: list, no_proxy: list };
}

/** For a kubectl that talks to these hosts. Without a home folder it keeps a cache in the working folder (1.20). */
export function kubectlEnv(direct: readonly string[]): Record<string, string> {
  return { ...proxyEnv(process.env, direct), HOME: homeDir() };
}
