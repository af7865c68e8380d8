/**
 * Of dpkg's status file the part that every Debian has: the essential and required packages with all they depend on.
 * To apt this is a minimal machine, whatever else is installed, broken or on hold on the real one; so what it would
 * install here is the same everywhere and can be kept.
 *
 * @param architecture dpkg's name of the native one.
 */
export function minimalStatus(status: string, architecture: string): string {
  const packages = new Map<string, string>();
  for (const stanza of status.split(/\n\n+/)) {
    const name = field(stanza, 'Package');
    const native = [architecture, 'all'].includes(field(stanza, 'Architecture'));
    if (native && field(stanza, 'Status').endsWith(' installed')) packages.set(name, stanza.trim());
  }
  const kept = new Set<string>();
  const keep = (name: string): void => {
    const stanza = packages.get(name);
    if (stanza === undefined || kept.has(name)) return;
    kept.add(name);
    const depends = `${field(stanza, 'Depends')},${field(stanza, 'Pre-Depends')}`;
    for (const word of depends.split(/[,|]/)) keep(word.trim().replace(/[ :(].*$/, ''));
  };
  for (const [name, stanza] of packages) {
    if (field(stanza, 'Essential') === 'yes' || field(stanza, 'Priority') === 'required') keep(name);
  }
  return `${[...kept].map((name) => packages.get(name)).join('\n\n')}\n`;
}

function field(stanza: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
}
