/** A published or pinned checksum. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'sha512';
  /** In hexadecimal digits, lower case. */
  readonly hex: string;
  /** Where it is from, for messages. */
  readonly from: string;
}

/**
 * The checksum of `file` in the text of a checksum file. It has one of these forms: the bare digest (dl.k8s.io); lines with
 * digest and name (sha256sum(1), `*` before the name or not, the name with folders or not); the same in a PGP clear-signed
 * text. Undefined when it does not have one for this file.
 */
export function checksumIn(text: string, file: string, from: string): Checksum | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const pattern = /^([0-9a-f]{128}|[0-9a-f]{64})(?:\s+\*?(\S+))?$/i;
  const found = lines.flatMap((line) => {
    const [, hex, name] = pattern.exec(line) ?? [];
    return hex === undefined ? [] : [{ hex: hex.toLowerCase(), name }];
  });
  const named = found.find(
    ({ name }) => name !== undefined && file.endsWith(`/${name.replace(/^\.\//, '')}`),
  );
  // A bare digest counts only when it is all that the file says.
  const bare = lines.filter(Boolean).length === 1 ? found.filter(({ name }) => name === undefined) : [];
  const hex = (named ?? bare[0])?.hex;
  return hex === undefined ? undefined : { algorithm: hex.length === 128 ? 'sha512' : 'sha256', hex, from };
}
