import { getEventListeners } from 'node:events';
import { LinkedAbort } from '../../lib/call/linked-abort';

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

test('LinkedAbort: calls that follow one signal share a listener, which is removed with the last of them', () => {
  const { signal } = new AbortController();
  const calls = Array.from({ length: 20 }, () => new LinkedAbort(signal));
  expect(listeners(signal)).toBe(1);
  for (const call of calls.slice(1)) call.release();
  expect(listeners(signal)).toBe(1);
  calls[0]?.release();
  calls[0]?.release();
  expect(listeners(signal)).toBe(0);
  expect(new LinkedAbort(signal).aborted).toBe(false);
  expect(listeners(signal)).toBe(1);
});

test('LinkedAbort: an abort of the signal reaches every follower that was not released', () => {
  const controller = new AbortController();
  const calls = Array.from({ length: 3 }, () => new LinkedAbort(controller.signal));
  calls[1]?.release();
  controller.abort();
  expect(calls.map(({ aborted }) => aborted)).toEqual([true, false, true]);
  expect(new LinkedAbort(controller.signal).aborted).toBe(true);
});

test('LinkedAbort: a follower can follow two signals, or the same signal twice', () => {
  const [one, two] = [new AbortController(), new AbortController()];
  const call = new LinkedAbort(one.signal, two.signal);
  const twice = new LinkedAbort(two.signal, two.signal);
  twice.release();
  expect(listeners(two.signal)).toBe(1);
  two.abort();
  expect([call.aborted, twice.aborted]).toEqual([true, false]);
  call.release();
  expect(listeners(one.signal)).toBe(0);
});

test('LinkedAbort: an attempt aborts when its call does, without the reason, and can be aborted without its call', () => {
  const call = new LinkedAbort();
  const [attempt, other, released] = [new LinkedAbort(call), new LinkedAbort(call), new LinkedAbort(call)];
  other.abort();
  released.release();
  expect(call.aborted).toBe(false);
  const reason = new Error('closing');
  call.abort(reason);
  call.abort(new Error('again'));
  expect(call.reason).toBe(reason);
  expect([attempt.aborted, attempt.reason, released.aborted]).toEqual([true, undefined, false]);
});

test('LinkedAbort: functions and objects that listen are called once and in order, unless removed before their turn', () => {
  const call = new LinkedAbort();
  const order: string[] = [];
  const last = (): void => void order.push('last');
  call.addEventListener('abort', () => void order.push('first'));
  call.addEventListener('abort', {
    handleEvent: () => {
      order.push('second');
      call.removeEventListener('abort', last);
    },
  });
  call.addEventListener('abort', last);
  const gone = (): void => void order.push('gone');
  call.addEventListener('abort', gone);
  call.removeEventListener('abort', gone);
  call.abort();
  call.abort();
  expect(order).toEqual(['first', 'second']);
});
