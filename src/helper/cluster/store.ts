import type { Named } from './objects.ts';

/** What the API server has of one resource, kept up to date by a watch: see watches.ts. */
export class Store<Item extends Named> {
  readonly #items = new Map<string, Item>();
  #isSynced = false;

  /** Whether everything has been read once. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  get(namespace: string, name: string): Item | undefined {
    return this.#items.get(keyOf({ namespace, name }));
  }

  values(): Iterable<Item> {
    return this.#items.values();
  }

  set(item: Item): void {
    this.#items.set(keyOf(item), item);
  }

  delete(item: Named): void {
    this.#items.delete(keyOf(item));
  }

  /** Takes the whole of a list. */
  replace(items: readonly Item[]): void {
    this.#items.clear();
    for (const item of items) this.set(item);
    this.#isSynced = true;
  }
}

function keyOf({ namespace, name }: Named): string {
  return `${namespace}/${name}`;
}
