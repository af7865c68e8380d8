import { BlockList, isIP } from 'node:net';

/**
 * The proxy for a URL by the environment, as curl and Go read it: HTTPS_PROXY or HTTP_PROXY by the URL's scheme, else ALL_PROXY,
 * in lower case before upper case, unless NO_PROXY has the host: a name with its subdomains, an address, a range, with a port or
 * without, or `*`. Loopback never goes through a proxy.
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const read = (name: string) => env[name.toLowerCase()] || env[name] || undefined;
  const given = read(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? read('ALL_PROXY');
  if (given === undefined || isException(url, read('NO_PROXY') ?? '')) return undefined;
  return given.includes('://') ? given : `http://${given}`;
}

function isException(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  if (host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))) return true;
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === '*') return true;
      if (entry.includes('/')) return isIn(host, entry);
      const [, name = entry, only] = /^(.+?|\[.+\]):(\d+)$/.exec(entry) ?? [];
      if (only !== undefined && isIP(entry) === 0 && only !== port) return false;
      const suffix = (isIP(entry) === 0 ? name : entry).replace(/^\*?\./, '').replace(/^\[|\]$/g, '');
      return host === suffix || host.endsWith(`.${suffix}`);
    });
}

function isIn(host: string, range: string): boolean {
  const [address = '', prefix = ''] = range.split('/');
  const [family, own] = [isIP(address), isIP(host)];
  if (family === 0 || family !== own) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  try {
    list.addSubnet(address, Number(prefix), type);
  } catch {
    return false;
  }
  return list.check(host, type);
}
