import { Backlog } from '../../lib/queue/backlog';
import { DENSITY_BUCKETS } from '../../lib/queue/value-density';

const LAST = DENSITY_BUCKETS - 1;

describe('Backlog', () => {
  test('holds the tokens and requests of a bucket and of all denser ones', () => {
    const backlog = new Backlog();
    backlog.add(0, 100);
    backlog.add(6, 20);
    backlog.add(6, 30);
    backlog.add(LAST, 7);
    expect(backlog.ahead(0)).toEqual({ tokens: 100, requests: 1 });
    expect(backlog.ahead(5)).toEqual({ tokens: 100, requests: 1 });
    expect(backlog.ahead(6)).toEqual({ tokens: 150, requests: 3 });
    expect(backlog.ahead(LAST - 1)).toEqual({ tokens: 150, requests: 3 });
    expect(backlog.ahead(LAST)).toEqual({ tokens: 157, requests: 4 });
  });

  test('loses the tokens and the request of a call that leaves', () => {
    const backlog = new Backlog();
    for (const bucket of [3, 3, 64, LAST]) backlog.add(bucket, 1000);
    backlog.remove(3, 1000);
    expect(backlog.ahead(3)).toEqual({ tokens: 1000, requests: 1 });
    expect(backlog.ahead(LAST)).toEqual({ tokens: 3000, requests: 3 });
    backlog.remove(LAST, 1000);
    backlog.remove(64, 1000);
    expect(backlog.ahead(LAST)).toEqual({ tokens: 1000, requests: 1 });
    backlog.remove(3, 1000);
    expect(backlog.ahead(LAST)).toEqual({ tokens: 0, requests: 0 });
  });

  test('has each bucket once in the sum, whichever it is', () => {
    const backlog = new Backlog();
    for (let bucket = 0; bucket < DENSITY_BUCKETS; bucket++) backlog.add(bucket, 10);
    for (let bucket = 0; bucket < DENSITY_BUCKETS; bucket++)
      expect(backlog.ahead(bucket)).toEqual({ tokens: 10 * (bucket + 1), requests: bucket + 1 });
  });
});
