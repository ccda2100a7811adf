import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { SseResponse } from '../../lib/stream/sse/sse-response';

/** A response without a connection, which records what is written to it. */
function start(keepAliveMs = 60_000) {
  const res = new ServerResponse(new IncomingMessage(new Socket()));
  const written = jest.spyOn(res, 'write');
  const out = new SseResponse(res, keepAliveMs);
  out.open({});
  return { res, out, written };
}

describe('SseResponse', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick'] }));
  afterEach(() => void jest.useRealTimers());

  it('writes events that arrive together at once, and comments while none arrive', async () => {
    const { out, written } = start(100);
    void out.write('a');
    void out.write('b');
    await jest.advanceTimersByTimeAsync(99);
    expect(written.mock.calls.map(([data]) => String(data))).toEqual(['ab']);
    await jest.advanceTimersByTimeAsync(2);
    expect(written.mock.calls.map(([data]) => String(data))).toEqual(['ab', ': keep-alive\n\n']);
    out.destroy();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('writes nothing, not even comments, once other code has ended the response', async () => {
    const { res, out, written } = start(100);
    res.end();
    expect(out.isClosed).toBe(true);
    expect(out.write('a')).toBeUndefined();
    await jest.advanceTimersByTimeAsync(1_000);
    out.end('b');
    expect(written).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('calls back once if the connection fails and then closes', () => {
    const { res, out } = start();
    const onClosed = jest.fn();
    out.onceClosed(onClosed);
    res.emit('error', new Error('read ECONNRESET'));
    res.emit('close');
    expect(onClosed).toHaveBeenCalledTimes(1);
    out.onceClosed(onClosed);
    expect(onClosed).toHaveBeenCalledTimes(2);
  });
});
