import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ProgressTimeout } from '../../lib/http/progress-timeout';
import { answer, chatText, Rig, statsOf } from '../failover/upstream';

const rig = new Rig();

describe('ProgressTimeout', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 0 });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('fires once, after its limit', async () => {
    const onTimeout = jest.fn();
    const timer = new ProgressTimeout(onTimeout);
    timer.start(100);
    await jest.advanceTimersByTimeAsync(99);
    expect(onTimeout).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(2);
    expect(onTimeout).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(onTimeout).toHaveBeenCalledTimes(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not fire after it was stopped, not even between its timer and the I/O poll', () => {
    const onTimeout = jest.fn();
    const timer = new ProgressTimeout(onTimeout);
    timer.start(100);
    jest.advanceTimersByTime(100);
    timer.stop();
    jest.runAllTimers();
    expect(onTimeout).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('leaves no timer that cannot be stopped when restarted between its timer and the I/O poll', async () => {
    jest.useFakeTimers({ now: 0, doNotFake: ['setImmediate'] });
    const onTimeout = jest.fn();
    const timer = new ProgressTimeout(onTimeout);
    timer.start(100);
    jest.advanceTimersByTime(100);
    timer.start(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(jest.getTimerCount()).toBe(1);
    timer.stop();
    expect(jest.getTimerCount()).toBe(0);
    expect(onTimeout).not.toHaveBeenCalled();
  });

  it('does not fire while it is paused, and sets no further timer', async () => {
    const onTimeout = jest.fn();
    const timer = new ProgressTimeout(onTimeout);
    timer.start(100);
    timer.pause();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(jest.getTimerCount()).toBe(0);
    timer.start(100);
    await jest.advanceTimersByTimeAsync(50);
    expect(onTimeout).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(52);
    expect(onTimeout).toHaveBeenCalledTimes(1);
  });

  it('sets no timer for an infinite limit', () => {
    const timer = new ProgressTimeout(() => undefined);
    timer.start(Infinity);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not fire at once for a limit beyond the range of timers', async () => {
    const onTimeout = jest.fn();
    const timer = new ProgressTimeout(onTimeout);
    timer.start(2 ** 40);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(onTimeout).not.toHaveBeenCalled();
    timer.stop();
  });
});

describe('A stall of our own event loop', () => {
  /** A provider in its own thread, which our stall doesn't affect: it answers 60 ms after each request. */
  const PROVIDER = `
    const { createServer } = require('node:http');
    const { parentPort } = require('node:worker_threads');
    const body = JSON.stringify({ choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'in time' } }] });
    const event = (choice) => 'data: ' + JSON.stringify({ choices: [{ index: 0, ...choice }] }) + '\\n\\n';
    createServer((req, res) => {
      let text = '';
      req.on('data', (part) => { text += part; });
      req.on('end', () => setTimeout(() => {
        if (!text.includes('"stream":true')) return res.writeHead(200, { 'content-type': 'application/json' }).end(body);
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        res.write(event({ delta: { content: 'in ' }, finish_reason: null }));
        setTimeout(() => {
          res.write(event({ delta: { content: 'time' }, finish_reason: null }));
          res.end(event({ delta: {}, finish_reason: 'stop' }) + 'data: [DONE]\\n\\n');
        }, 60);
      }, 60));
    }).listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port); });`;

  it.each([false, true])('counts against no endpoint (streamed: %s)', async (stream) => {
    const worker = new Worker(PROVIDER, { eval: true });
    rig.use(async () => {
      await worker.terminate();
    });
    const [port] = (await once(worker, 'message')) as [number];
    const { balancer } = await rig.start(
      { a: answer() },
      {
        each: { a: { baseURL: `http://127.0.0.1:${port}` } },
        timeouts: { totalMs: 1_200, firstTokenMs: 1_200, stallMs: 1_200 },
        breaker: { consecutiveFailures: 1 },
      },
    );
    // The connections are established before the stall starts.
    await Promise.all(Array.from({ length: 10 }, () => chatText(balancer, stream)));
    const calls = Array.from({ length: 10 }, () =>
      chatText(balancer, stream, stream ? {} : { timeoutMs: 30_000 }),
    );
    const stalls = [30, 90].map(
      (afterMs) =>
        new Promise<void>((resolve) =>
          setTimeout(() => {
            stall(1_400);
            resolve();
          }, afterMs),
        ),
    );
    const answers = await Promise.all(calls);
    await Promise.all(stalls);
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, () => 'in time'));
    expect(statsOf(balancer, 'a').failures).toBe(0);
  });
});

function stall(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
