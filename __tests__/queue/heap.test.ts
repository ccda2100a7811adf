import { IndexedHeap } from '../../lib/queue/heap';

interface Item {
  value: number;
  at: number;
}

function heapOf(...values: number[]) {
  const heap = new IndexedHeap<'at', Item>('at', (a, b) => a.value < b.value);
  const items = values.map((value) => ({ value, at: -1 }));
  for (const item of items) heap.add(item);
  return { heap, items };
}

function drained(heap: IndexedHeap<'at', Item>): number[] {
  const values: number[] = [];
  for (let item = heap.first; item !== undefined; item = heap.first) {
    values.push(item.value);
    heap.remove(item);
  }
  return values;
}

test('IndexedHeap: remove() says whether the item was in the heap', () => {
  const { heap, items } = heapOf(1, 2);
  expect(heap.remove(items[0]!)).toBe(true);
  expect(heap.has(items[0]!)).toBe(false);
  expect(heap.remove(items[0]!)).toBe(false);
  expect(heap.size).toBe(1);
});

test('IndexedHeap: update() moves an item up or down after its value has changed', () => {
  const { heap, items } = heapOf(1, 2, 3, 4, 5);
  items[4]!.value = 0;
  heap.update(items[4]!);
  expect(heap.first).toBe(items[4]);
  items[4]!.value = 9;
  heap.update(items[4]!);
  expect(drained(heap)).toEqual([1, 2, 3, 4, 9]);
});

test('IndexedHeap: the item that fills the place of a removed one moves up where it has to', () => {
  const { heap, items } = heapOf(1, 10, 2, 11, 12, 3, 4);
  heap.remove(items[3]!);
  expect(drained(heap)).toEqual([1, 2, 3, 4, 10, 12]);
});

test('IndexedHeap: clear() empties the heap, and its items can be added again', () => {
  const { heap, items } = heapOf(1, 2, 3);
  heap.clear();
  expect(heap.size).toBe(0);
  expect(heap.first).toBeUndefined();
  expect(items.map((item) => heap.has(item))).toEqual([false, false, false]);
  heap.add(items[2]!);
  expect(heap.first).toBe(items[2]);
});
