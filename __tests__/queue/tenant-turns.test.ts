import { type TenantCall, TenantFairness } from '../../lib/queue/tenant-fairness';

let seq = 0;

function call(tenant: string, { tokens = 100, rank = 0, isQueued = true } = {}): TenantCall {
  seq += 1;
  return { tenant, tokens, rank, isQueued, seq, inFairness: -1 };
}

function fairnessOf(...calls: TenantCall[]) {
  const fairness = new TenantFairness<TenantCall>();
  for (const each of calls) fairness.add(each);
  return fairness;
}

test('workOfTurns(): the work of the tenant including the call, times the tenants that wait', () => {
  const small = call('a');
  const large = call('a', { tokens: 300 });
  const fairness = fairnessOf(small, large, call('b', { tokens: 7 }));
  const isQueued = false;
  expect(fairness.workOfTurns(large)).toEqual({ tokens: 800, requests: 4 });
  expect(fairness.workOfTurns(call('a', { tokens: 50, isQueued }))).toEqual({ tokens: 900, requests: 6 });
  expect(fairness.workOfTurns(call('c', { tokens: 50, isQueued }))).toEqual({ tokens: 150, requests: 3 });
  fairness.remove(small);
  expect(fairness.workOfTurns(large)).toEqual({ tokens: 600, requests: 2 });
});

test('TenantFairness: a tenant leaves with its last call, and a call of an unknown tenant changes nothing', () => {
  const first = call('a');
  const second = call('a');
  const fairness = fairnessOf(first, second);
  const unknown = call('b');
  fairness.remove(unknown);
  fairness.setAside(unknown);
  fairness.putBack(unknown);
  fairness.addServedTokens('b', 100, 100);
  expect([fairness.tenants, fairness.has('b'), fairness.next]).toEqual([1, false, first]);
  fairness.remove(first);
  expect([fairness.tenants, fairness.has('a'), fairness.next]).toEqual([1, true, second]);
  fairness.remove(second);
  expect([fairness.tenants, fairness.has('a'), fairness.next]).toEqual([0, false, undefined]);
});

test('TenantFairness: tenants that have been served equally go by rank; the one served less goes first', () => {
  const a = call('a');
  const b = call('b', { rank: 1 });
  const fairness = fairnessOf(a, b);
  expect(fairness.next).toBe(b);
  fairness.addServedTokens('b', 1, 0);
  expect(fairness.next).toBe(a);
  fairness.addServedTokens('a', 0, 1);
  expect(fairness.next).toBe(b);
});

test('TenantFairness: tokens served to a tenant whose calls are set aside count when they are put back', () => {
  const calls = [call('a', { rank: 2 }), call('b', { rank: 1 }), call('c')] as const;
  const fairness = fairnessOf(...calls);
  fairness.setAside(calls[0]);
  fairness.addServedTokens('a', 10, 0);
  expect(fairness.next).toBe(calls[1]);
  fairness.setAside(calls[1]);
  fairness.setAside(calls[2]);
  expect(fairness.next).toBeUndefined();
  for (const each of calls) fairness.putBack(each);
  expect(fairness.next).toBe(calls[1]);
  fairness.remove(calls[1]);
  expect(fairness.next).toBe(calls[2]);
});

test('TenantFairness: once no tenant waits, all start again as equals', () => {
  const last = call('a');
  const fairness = fairnessOf(last);
  fairness.addServedTokens('a', 1000, 0);
  fairness.remove(last);
  fairness.add(call('b'));
  const back = call('a', { rank: 1 });
  fairness.add(back);
  expect(fairness.next).toBe(back);
});

test('TenantFairness: a tenant that leaves while all others are set aside keeps its counter', () => {
  const a = call('a');
  const b = call('b');
  const fairness = fairnessOf(a, b);
  fairness.addServedTokens('a', 10, 0);
  fairness.setAside(b);
  fairness.remove(a);
  fairness.putBack(b);
  fairness.add(call('a', { rank: 1 }));
  expect(fairness.next).toBe(b);
});

/** Tenants from..to-1 are served and leave, while another tenant that has been served nothing waits on. */
function serveAndLeave(fairness: TenantFairness<TenantCall>, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const one = call(`${i}`);
    fairness.add(one);
    fairness.addServedTokens(one.tenant, 10 + i, 0);
    fairness.remove(one);
  }
}

/** Whether the tenant still waits behind the unserved one when it returns with a call of a higher rank. */
function isRemembered(fairness: TenantFairness<TenantCall>, tenant: number): boolean {
  const back = call(`${tenant}`, { rank: 1 });
  fairness.add(back);
  const remembered = fairness.next !== back;
  fairness.remove(back);
  return remembered;
}

test.each([63, 64, 65, 128, 4095])(
  'TenantFairness: the counters of %d idle tenants are all kept',
  (count) => {
    const fairness = fairnessOf(call('busy'));
    serveAndLeave(fairness, 0, count);
    expect([0, 1, count - 1].map((i) => isRemembered(fairness, i))).toEqual([true, true, true]);
  },
);

test('TenantFairness: each time 4096 idle tenants are reached, the oldest 1024 counters are forgotten', () => {
  const fairness = fairnessOf(call('busy'));
  serveAndLeave(fairness, 0, 4096);
  expect([0, 1023].map((i) => isRemembered(fairness, i))).toEqual([false, false]);
  serveAndLeave(fairness, 4096, 5119);
  expect(isRemembered(fairness, 1024)).toBe(true);
  const again = fairnessOf(call('busy'));
  serveAndLeave(again, 0, 5120);
  expect([2047, 2048, 5119].map((i) => isRemembered(again, i))).toEqual([false, true, true]);
});
