import { isAlias, isMap, isNode, isScalar, isSeq } from 'yaml';
import type { Alias, Node, Pair, YAMLMap } from 'yaml';

/** More values than a file within the size limit can hold by itself: only aliases, one within the other, make as many. */
const maxValues = 2_000_000;

/**
 * Makes plain maps, lists and texts of a YAML tree, and remembers on the way where to look things up again. Each anchor is
 * worked through once, however often it is used; a key without a value is as if it were not there; `<<` merges.
 */
export class PlainValues {
  readonly #refuse: (at: Node, message: string) => void;
  readonly #pairs = new Map<YAMLMap, Map<string, Pair>>();
  readonly #targets = new Map<Alias, Node>();
  readonly #anchors = new Map<string, Node>();
  readonly #done = new Map<Node, { readonly value: unknown; readonly size: number }>();
  #size = 0;

  /** `refuse` is told each mistake and where it is. */
  constructor(refuse: (at: Node, message: string) => void) {
    this.#refuse = refuse;
  }

  of(node: unknown): unknown {
    this.#size += 1;
    if (isAlias(node)) return this.#aliased(node);
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) return '';
    const before = this.#size;
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    const value = isMap(node)
      ? this.#map(node)
      : isSeq(node)
        ? node.items.map((item) => this.of(item))
        : node.value;
    if (node.anchor !== undefined) this.#done.set(node, { value, size: this.#size - before });
    return value;
  }

  /** The pair of `key` in the map, or in what is merged into it. */
  pairOf(map: YAMLMap, key: string): Pair | undefined {
    const pairs = this.#pairs.get(map);
    const own = pairs?.get(key);
    if (own !== undefined) return own;
    const merge = pairs?.get('<<');
    for (const source of merge !== undefined && isMergeKey(merge.key) ? mergedBy(merge) : []) {
      const other = this.targetOf(source);
      const found = isMap(other) ? this.pairOf(other, key) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What an alias stands for; anything else for itself. */
  targetOf(node: unknown): unknown {
    return isAlias(node) ? this.#targets.get(node) : node;
  }

  #map(map: YAMLMap): object {
    const pairs = new Map<string, Pair>();
    this.#pairs.set(map, pairs);
    const merged: [string, unknown][] = [];
    const own: [string, unknown][] = [];
    for (const pair of map.items) {
      if (!isScalar(pair.key)) continue;
      const key = String(pair.key.value);
      if (pairs.has(key)) this.#refuse(pair.key, `the key "${key}" is here twice`);
      pairs.set(key, pair);
      if (hasNoValue(pair)) continue;
      if (isMergeKey(pair.key)) merged.push(...this.#merged(pair));
      else own.push([key, this.of(pair.value)]);
    }
    return Object.fromEntries([...merged, ...own]);
  }

  /** The entries that a merge key brings; of the same key, the first map's counts, so it comes last. */
  #merged(pair: Pair): [string, unknown][] {
    return mergedBy(pair)
      .toReversed()
      .flatMap((source) => {
        const value = this.of(source);
        if (isMap(this.targetOf(source)) && typeof value === 'object' && value !== null)
          return Object.entries(value);
        if (isNode(source)) this.#refuse(source, '<< takes a map, or a list of maps');
        return [];
      });
  }

  #aliased(alias: Alias): unknown {
    const target = this.#anchors.get(alias.source);
    const done = target && this.#done.get(target);
    if (target === undefined) this.#refuse(alias, `there is no anchor &${alias.source} before this`);
    else if (done === undefined) this.#refuse(alias, `&${alias.source} would contain itself`);
    if (target === undefined || done === undefined) return '';
    this.#targets.set(alias, target);
    this.#size += done.size;
    if (this.#size <= maxValues) return done.value;
    this.#refuse(alias, 'the aliases make too much of this file');
    return '';
  }
}

function mergedBy({ value }: Pair): unknown[] {
  return isSeq(value) ? value.items : [value];
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.type === 'PLAIN' && key.value === '<<';
}

function hasNoValue({ value }: Pair): boolean {
  return (
    value === null ||
    (isScalar(value) && value.type === 'PLAIN' && ['', '~', 'null'].includes(String(value.value)))
  );
}
