import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, Pair, YAMLError, YAMLMap } from 'yaml';
import { reasonOf } from '../errors.ts';
import type { Position, Problems } from './problems.ts';

/** An alias used this often in a file is an attack or a mistake; a thousand components with one anchor are neither. */
const maxAliases = 10_000;

/** What the parser says in words that only mean something to its caller. */
const inOtherWords: Partial<Record<YAMLError['code'], string>> = {
  MULTIPLE_DOCS: 'a config is one YAML document: remove the ---',
};

/** A YAML file as plain maps, lists and texts, that still knows where each of them stands. */
export class YamlFile {
  readonly #document: Document;
  readonly #lines = new LineCounter();

  /** Notes every syntax error in `problems`. */
  constructor(text: string, problems: Problems) {
    this.#document = parseDocument(text, {
      schema: 'failsafe',
      merge: true,
      stringKeys: true,
      prettyErrors: false,
      lineCounter: this.#lines,
      logLevel: 'error',
    });
    for (const { code, message, pos } of this.#mistakes())
      problems.add(this.#positionAt(pos[0]), (inOtherWords[code] ?? message) + quotingHint(text, pos[0]));
    visit(this.#document, {
      Pair: (_key, pair) => (hasNoValue(pair) ? visit.REMOVE : undefined),
      Alias: (_key, alias) => {
        if (alias.resolve(this.#document) !== undefined) return;
        problems.add(this.#position(alias), `there is no anchor &${alias.source} before this`);
      },
    });
  }

  /** Replaces every text with a `$` under the top-level keys that `accepts` takes. Keys are left as they are. */
  mapTexts(accepts: (key: string) => boolean, replace: (text: string, at: () => Position) => string): void {
    if (!isMap(this.#document.contents)) return;
    for (const { key, value } of this.#document.contents.items) {
      if (!isScalar(key) || !accepts(String(key.value)) || !isNode(value)) continue;
      visit(value, {
        Scalar: (role, scalar) => {
          if (role === 'key' || typeof scalar.value !== 'string' || !scalar.value.includes('$')) return;
          scalar.value = replace(scalar.value, () => this.#position(scalar));
        },
      });
    }
  }

  /** The whole file; an empty one is an empty map. */
  toJs(problems: Problems): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: maxAliases }) ?? {};
    } catch (error) {
      problems.add({ line: 1, column: 1 }, reasonOf(error));
      return {};
    }
  }

  /** Where the value at `path` stands: a text itself, a map or a list at its key; what is missing, where it should be. */
  positionOf(path: readonly PropertyKey[]): Position {
    return this.#position(this.#find(path).at);
  }

  /** Where `key` of the map at `path` stands. */
  positionOfKey(path: readonly PropertyKey[], key: string): Position {
    const { node, at } = this.#find(path);
    const pair = isMap(node) ? pairOf(node, key) : undefined;
    return this.#position(pair?.key ?? at);
  }

  /** The text at `path` as it was written, before any replacement. */
  sourceOf(path: readonly PropertyKey[]): string | undefined {
    const { node, depth } = this.#find(path);
    return isScalar(node) && depth === path.length ? node.source : undefined;
  }

  /** As deep as the file goes along `path`: the node there, what shows its place, and how many steps it took. */
  #find(path: readonly PropertyKey[]): { node: unknown; at: unknown; depth: number } {
    let node: unknown = this.#document.contents;
    let at: unknown = node;
    let depth = 0;
    for (const step of path) {
      const pair = isMap(node) ? pairOf(node, step) : undefined;
      const item = isSeq(node) ? node.items[Number(step)] : undefined;
      const next = pair?.value ?? item;
      if (next === undefined) break;
      node = isAlias(next) ? next.resolve(this.#document) : next;
      at = pair !== undefined && !isScalar(next) ? pair.key : next;
      depth += 1;
    }
    return { node, at, depth };
  }

  /** One slip makes the parser stumble again and again, so only the first error counts, but every duplicate key. */
  #mistakes(): YAMLError[] {
    const { errors, warnings } = this.#document;
    const first = errors.find(({ code }) => code !== 'DUPLICATE_KEY');
    return [...errors.filter((error) => error === first || error.code === 'DUPLICATE_KEY'), ...warnings];
  }

  #position(node: unknown): Position {
    return this.#positionAt(isNode(node) ? node.range?.[0] : undefined);
  }

  #positionAt(offset = 0): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

/** A key with nothing behind it is as if it were not there. */
function hasNoValue({ value }: Pair): boolean {
  return (
    value === null ||
    (isScalar(value) && value.type === 'PLAIN' && ['', '~', 'null'].includes(String(value.value)))
  );
}

function pairOf(map: YAMLMap, key: PropertyKey): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** In `[ ]` and `{ }` the braces of a reference are YAML's own, the trap of every config with references. */
function quotingHint(text: string, offset: number): string {
  const begin = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(begin, end === -1 ? undefined : end);
  return /[[{,:]\s*[^\s'"#,]*\$\{/.test(line)
    ? ' (inside [ ] and { }, put quotes around a text with ${...})'
    : '';
}
