/** A name in at most so many lines of so many characters, broken after a dash, dot or underscore; the rest is cut off. */
export function nameLines(name: string, characters: number, lines: number): string[] {
  const parts = name.match(/[^-._]*[-._]|[^-._]+/g) ?? [name];
  const broken: string[] = [];
  for (const part of parts) {
    const last = broken.at(-1);
    if (last !== undefined && (last.length + part.length <= characters || broken.length === lines))
      broken[broken.length - 1] = last + part;
    else broken.push(part);
  }
  return broken.map((line) => (line.length <= characters ? line : `${line.slice(0, characters - 1)}…`));
}
