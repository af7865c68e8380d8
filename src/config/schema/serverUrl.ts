/** What {@link serverHost} takes, in words. */
export const serverForm = 'a URL like https://127.0.0.1:6443';

/** The host of an API server's URL, IPv6 without brackets; undefined when the text is none: https, a host, maybe a port. */
export function serverHost(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, pathname, search, hash, username } = new URL(text);
  const more = `${pathname === '/' ? '' : pathname}${search}${hash}${username}`;
  return protocol === 'https:' && more === '' ? hostname.replaceAll(/[[\]]/g, '') : undefined;
}
