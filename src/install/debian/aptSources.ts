/**
 * The package sources of this machine with the source packages of each beside its binary packages. `name` is the
 * file's: `*.sources` has the deb822 format, all else one line each (sources.list(5)).
 */
export function withSourcePackages(name: string, text: string): string {
  return name.endsWith('.sources')
    ? text.replaceAll(/^Types:[^\n]*\bdeb\b[^\n]*$/gim, 'Types: deb deb-src')
    : text.replaceAll(/^[ \t]*deb([ \t][^\n]*)$/gm, '$&\ndeb-src$1');
}
