import { WaitQueue } from '../../lib/queue/wait-queue';
import { outcomeOf, queuedCall, TestBucket } from '../queue/test-bucket';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('WaitQueue serves an older call although calls of higher value density keep arriving', async () => {
  const bucket = new TestBucket(1, 1_000, 0);
  const queue = new WaitQueue<TestBucket>({ maxSize: 1_000, maxBytes: Infinity });
  const older = outcomeOf(queue.waitForSlot(queuedCall([bucket], { promptTokens: 700, outputTokens: 300 })));
  const others: Promise<unknown>[] = [];
  // The calls need more than the bucket can ever serve.
  for (let second = 0; second < 60; second++) {
    for (let n = 0; n < 2; n++) {
      others.push(
        outcomeOf(queue.waitForSlot(queuedCall([bucket], { promptTokens: 700, outputTokens: 200 }))),
      );
    }
    await jest.advanceTimersByTimeAsync(1_000);
  }
  queue.rejectAll(new Error('enough'));
  await Promise.all(others);
  expect((await older).started).toBe(true);
});
