import { isAlias, isMap, isNode, isScalar, isSeq } from 'yaml';
import type { Alias, Node, Pair, YAMLMap } from 'yaml';

/** As many values as aliases and merges may add, each as often as it is used: more than a thousand components from a template have. */
const maxExpanded = 100_000;

/**
 * Converts a YAML tree to plain maps, lists and texts, and records the nodes of keys and aliases for later lookups. Each
 * anchor is converted once, however often it is used. A key without a value counts as absent; `<<` merges maps.
 */
export class PlainValues {
  readonly #refuse: (at: Node, message: string) => void;
  readonly #pairs = new Map<YAMLMap, Map<string, Pair>>();
  readonly #targets = new Map<Alias, Node>();
  readonly #anchors = new Map<string, Node>();
  readonly #converted = new Map<Node, { readonly value: unknown; readonly size: number }>();
  #size = 0;
  #expanded = 0;

  /** `refuse` receives each error with its node. */
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
    if (node.anchor !== undefined) this.#converted.set(node, { value, size: this.#size - before });
    return value;
  }

  /** The pair of `key` in the map, or in a map merged into it. */
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

  /** The target of an alias; any other node itself. */
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
      if (pairs.has(key)) this.#refuse(pair.key, `duplicate key "${key}"`);
      pairs.set(key, pair);
      if (hasNoValue(pair)) continue;
      if (isMergeKey(pair.key)) for (const entry of this.#merged(pair)) merged.push(entry);
      else own.push([key, this.of(pair.value)]);
    }
    return Object.fromEntries([...merged, ...own]);
  }

  /** The entries of a merge key, the first map last because its keys take precedence. */
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
    const converted = target && this.#converted.get(target);
    if (target === undefined) this.#refuse(alias, `no anchor &${alias.source} before this alias`);
    else if (converted === undefined) this.#refuse(alias, `the anchor &${alias.source} contains itself`);
    if (target === undefined || converted === undefined) return '';
    this.#targets.set(alias, target);
    this.#size += converted.size;
    this.#expanded += converted.size;
    if (this.#expanded <= maxExpanded) return converted.value;
    this.#refuse(alias, 'the aliases expand to too many values');
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
