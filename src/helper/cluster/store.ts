import type { Named } from './objects.ts';

/** What the API server has of one resource, kept up to date by a watch: see watches.ts. */
export class Store<Item extends Named> {
  readonly #items = new Map<string, Item>();
  readonly #listeners: (() => void)[] = [];
  #isSynced = false;

  /** Whether everything has been read once. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Calls `listener` after each change. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  get(namespace: string, name: string): Item | undefined {
    return this.#items.get(keyOf({ namespace, name }));
  }

  values(): Iterable<Item> {
    return this.#items.values();
  }

  set(item: Item): void {
    this.#items.set(keyOf(item), item);
    this.#notify();
  }

  delete(item: Named): void {
    this.#items.delete(keyOf(item));
    this.#notify();
  }

  /** Takes the whole of a list. */
  replace(items: readonly Item[]): void {
    this.#items.clear();
    for (const item of items) this.#items.set(keyOf(item), item);
    this.#isSynced = true;
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

function keyOf({ namespace, name }: Named): string {
  return `${namespace}/${name}`;
}
