/** An item stores its position in the heap, so that it can be removed from the middle; -1 if it is not in the heap. */
export type HeapItem<PositionField extends string> = Record<PositionField, number>;

/**
 * A binary heap whose items can be removed and moved in O(log n).
 * @typeParam PositionField The field in which an item stores its position. An item that is in several heaps has one
 *   field per heap.
 */
export class IndexedHeap<PositionField extends string, T extends HeapItem<PositionField>> {
  #items: T[] = [];
  readonly #positionField: PositionField;
  readonly #before: (a: T, b: T) => boolean;

  constructor(positionField: PositionField, before: (a: T, b: T) => boolean) {
    this.#positionField = positionField;
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return item[this.#positionField] >= 0;
  }

  add(item: T): void {
    // Most heaps hold one item, and the first push to an array allocates space for 17.
    if (this.#items.length === 0) this.#items = [item];
    else this.#items.push(item);
    this.#siftUp(item, this.#items.length - 1);
  }

  /** Removes an item. Returns false if it was not in the heap. */
  remove(item: T): boolean {
    const position: number = item[this.#positionField];
    if (position < 0) return false;
    const last = this.#items.pop() as T;
    this.#setPosition(item, -1);
    if (last !== item) {
      this.#setPosition(last, position);
      this.#items[position] = last;
      this.update(last);
    }
    return true;
  }

  /** Restores the heap order after the rank of an item has changed. */
  update(item: T): void {
    const position: number = item[this.#positionField];
    if (!this.#siftUp(item, position)) this.#siftDown(item, position);
  }

  clear(): void {
    for (const item of this.#items) this.#setPosition(item, -1);
    this.#items.length = 0;
  }

  #siftUp(item: T, from: number): boolean {
    const items = this.#items;
    let position = from;
    while (position > 0) {
      const parentPosition = (position - 1) >> 1;
      const parent = items[parentPosition] as T;
      if (!this.#before(item, parent)) break;
      items[position] = parent;
      this.#setPosition(parent, position);
      position = parentPosition;
    }
    items[position] = item;
    this.#setPosition(item, position);
    return position !== from;
  }

  #siftDown(item: T, from: number): void {
    const items = this.#items;
    const { length } = items;
    let position = from;
    for (;;) {
      let childPosition = 2 * position + 1;
      if (childPosition >= length) break;
      let child = items[childPosition] as T;
      const right = items[childPosition + 1];
      if (right !== undefined && this.#before(right, child)) {
        childPosition += 1;
        child = right;
      }
      if (!this.#before(child, item)) break;
      items[position] = child;
      this.#setPosition(child, position);
      position = childPosition;
    }
    items[position] = item;
    this.#setPosition(item, position);
  }

  #setPosition(item: HeapItem<PositionField>, position: number): void {
    item[this.#positionField] = position;
  }
}
