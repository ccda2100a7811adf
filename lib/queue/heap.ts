/** What lies in a heap knows its place there, so that it can leave from the middle. -1: not in that heap. */
export type HeapItem<Place extends string> = Record<Place, number>;

/**
 * A binary heap whose items can be removed and moved in O(log n).
 * @typeParam Place The field in which its items know their place: each heap that an item can lie in has one of its own.
 */
export class IndexedHeap<Place extends string, T extends HeapItem<Place>> {
  #items: T[] = [];
  readonly #place: Place;
  readonly #before: (a: T, b: T) => boolean;

  constructor(place: Place, before: (a: T, b: T) => boolean) {
    this.#place = place;
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return item[this.#place] >= 0;
  }

  add(item: T): void {
    // Most heaps hold one item, and an array that is pushed to makes room for seventeen.
    if (this.#items.length === 0) this.#items = [item];
    else this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  /** False when the item wasn't there. */
  remove(item: T): boolean {
    const place: number = item[this.#place];
    if (place < 0) return false;
    const last = this.#items.pop() as T;
    this.#put(item, -1);
    if (last !== item) {
      this.#put(last, place);
      this.#items[place] = last;
      this.update(last);
    }
    return true;
  }

  /** Puts an item whose rank changed where it belongs. */
  update(item: T): void {
    const place: number = item[this.#place];
    if (!this.#up(item, place)) this.#down(item, place);
  }

  clear(): void {
    for (const item of this.#items) this.#put(item, -1);
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
      this.#put(other, place);
      place = above;
    }
    items[place] = item;
    this.#put(item, place);
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
      this.#put(other, place);
      place = below;
    }
    items[place] = item;
    this.#put(item, place);
  }

  #put(item: HeapItem<Place>, place: number): void {
    item[this.#place] = place;
  }
}
