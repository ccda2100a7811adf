import { inspect } from 'node:util';
import { createBalancer } from 'express-ai-balancer';
import { connect } from '../../lib/cluster/redis/redis-client';

const PASSWORD = 'secret-word';
const ENDPOINT = { name: 'a', model: 'gpt-4o', baseURL: 'http://127.0.0.1:9/v1', rpm: 600 };

/** Everything that a logger could print of an error. */
function textOf(error: unknown): string {
  return inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error);
}

describe('The password of a Redis URL', () => {
  it.each([`redis://user:${PASSWORD}@host:99999`, `redis://:${PASSWORD}@[::bad`])(
    'does not appear in the error for an invalid URL',
    async (url) => {
      const error: unknown = await connect(url).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'ERR_AI_CONFIG' });
      expect(textOf(error)).not.toContain(PASSWORD);
    },
  );

  it('does not appear in the error for a URL instead of the cluster options', () => {
    let error: unknown;
    try {
      createBalancer({ endpoints: [ENDPOINT], cluster: `redis://:${PASSWORD}@host` as never });
    } catch (reason) {
      error = reason;
    }
    expect(error).toMatchObject({ code: 'ERR_AI_CONFIG' });
    expect(textOf(error)).not.toContain(PASSWORD);
  });

  it('does not appear in a log or event while Redis is unreachable', async () => {
    const logged: unknown[] = [];
    const log = (...args: unknown[]) => void logged.push(args);
    const balancer = createBalancer({
      endpoints: [ENDPOINT],
      cluster: { redis: `redis://user:${PASSWORD}@127.0.0.1:9` },
      logger: { debug: log, info: log, warn: log, error: log },
    });
    balancer.on('cluster', log);
    await balancer.ready();
    await balancer.close();
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.map(textOf).join()).not.toContain(PASSWORD);
  });
});
