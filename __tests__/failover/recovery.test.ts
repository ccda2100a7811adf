import { answer, chatText, error, Rig, rejection, statsOf, until } from './upstream';

const rig = new Rig();
const BREAKER = { consecutiveFailures: 10, volumeThreshold: 1_000, resetTimeoutMs: 40 };

describe('An endpoint that has recovered', () => {
  it.each(['by a probe', 'by enable()'])('%s is not judged by its earlier failures', async (how) => {
    let healthy = false;
    const { balancer } = await rig.start(
      { a: (arrival) => (healthy ? answer() : error(500, {}, { 'x-should-retry': 'false' }))(arrival) },
      { breaker: BREAKER },
    );
    // The recent share passes 0.6 before ten in a row have failed.
    while (statsOf(balancer, 'a').state === 'closed') await rejection(chatText(balancer, false));
    expect(statsOf(balancer, 'a').failures).toBeLessThan(10);
    if (how === 'by enable()') balancer.endpoint('a').enable();
    else {
      await until(() => statsOf(balancer, 'a').state === 'half-open');
      healthy = true;
      await chatText(balancer, false);
      healthy = false;
    }
    expect(statsOf(balancer, 'a').state).toBe('closed');
    for (let n = 0; n < 3; n++) {
      await rejection(chatText(balancer, false));
      expect(statsOf(balancer, 'a').state).toBe('closed');
    }
  });
});
