/** What lies in heaps knows its place in each, so that it can leave from the middle. -1: not in that heap. */
export interface HeapItem {
  readonly at: number[];
}

/** A binary heap whose items can be removed and moved in O(log n). `which` is the heap's index in `item.at`. */
export class IndexedHeap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #which: number;
  readonly #before: (a: T, b: T) => boolean;

  constructor(which: number, before: (a: T, b: T) => boolean) {
    this.#which = which;
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return (item.at[this.#which] ?? -1) >= 0;
  }

  add(item: T): void {
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  /** False when the item wasn't there. */
  remove(item: T): boolean {
    const place = item.at[this.#which] ?? -1;
    if (place < 0) return false;
    const last = this.#items.pop() as T;
    item.at[this.#which] = -1;
    if (last !== item) {
      last.at[this.#which] = place;
      this.#items[place] = last;
      this.update(last);
    }
    return true;
  }

  /** Puts an item whose rank changed where it belongs. */
  update(item: T): void {
    const place = item.at[this.#which] as number;
    if (!this.#up(item, place)) this.#down(item, place);
  }

  clear(): void {
    for (const item of this.#items) item.at[this.#which] = -1;
    this.#items.length = 0;
  }

  #up(item: T, from: number): boolean {
    const items = this.#items;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = items[above] as T;
      if (!this.#before(item, other)) break;
      items[place] = other;
      other.at[this.#which] = place;
      place = above;
    }
    items[place] = item;
    item.at[this.#which] = place;
    return place !== from;
  }

  #down(item: T, from: number): void {
    const items = this.#items;
    const { length } = items;
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= length) break;
      let other = items[below] as T;
      const right = items[below + 1];
      if (right !== undefined && this.#before(right, other)) {
        below += 1;
        other = right;
      }
      if (!this.#before(other, item)) break;
      items[place] = other;
      other.at[this.#which] = place;
      place = below;
    }
    items[place] = item;
    item.at[this.#which] = place;
  }
}
