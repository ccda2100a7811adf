import type { Call } from '../../lib/call/call';
import { Affinity, affinityKey, cachedShare } from '../../lib/routing/affinity';

const MINUTE = 60_000;

function call(content: string, differs: Partial<Call> = {}): Call {
  return {
    operation: 'chat',
    body: { messages: [{ role: 'system', content }] },
    promptTokens: 2_000,
    context: { requestId: 'r', type: 'chat', priority: 3 },
    ...differs,
  } as Call;
}

describe('affinityKey', () => {
  it('is equal for calls with the same long system prompt and different questions', () => {
    const system = 'You are the helpdesk of a shop. '.repeat(100);
    const keyFor = (question: string) =>
      affinityKey(
        call('', {
          body: {
            messages: [
              { role: 'system', content: system },
              { role: 'user', content: question },
            ],
          },
        }),
      );
    expect(keyFor('Where is my order?')).toBe(keyFor('May I return it?'));
    expect(keyFor('x')).not.toBe(affinityKey(call('Another shop. '.repeat(200))));
  });

  it('reads the parts of a message, and differs for different parts', () => {
    const keyFor = (content: unknown) =>
      affinityKey(call('', { body: { messages: [{ role: 'system', content }] } as never }));
    const parts = (text: string) => [{ type: 'text', text }];
    expect(keyFor(parts('one'))).toBe(keyFor(parts('one')));
    expect(keyFor(parts('one'))).not.toBe(keyFor(parts('two')));
    expect(keyFor(null)).toBe(keyFor(undefined));
  });

  it('is undefined for a short prompt and for embeddings', () => {
    expect(affinityKey(call('short', { promptTokens: 100 }))).toBeUndefined();
    expect(affinityKey(call('long', { operation: 'embeddings' }))).toBeUndefined();
  });

  it('is equal for calls of one session, whatever their prompts', () => {
    const context = { requestId: 'r', type: 'chat', priority: 3, session: 's1' } as const;
    expect(affinityKey(call('a', { context, promptTokens: 10 }))).toBe(affinityKey(call('b', { context })));
  });

  it('does not contain text of the prompt', () => {
    expect(affinityKey(call('my secret order number is 4711 '.repeat(50)))).not.toContain('4711');
  });
});

/** Returns the share of a prompt that an endpoint probably has cached. */
function share(affinity: Affinity, key: string, endpoint: string, now: number): number {
  return cachedShare(affinity.cachedAt(key)?.get(endpoint), now);
}

describe('The cached share of a prompt', () => {
  it('is 0.5 after the first call and follows the cached tokens of later answers', () => {
    const affinity = new Affinity();
    expect(share(affinity, 'k', 'a', 0)).toBe(0);
    affinity.learn('k', 'a', 1_000, 0, 0);
    expect(share(affinity, 'k', 'a', 0)).toBe(0.5);
    affinity.learn('k', 'a', 1_000, 900, 0);
    expect(share(affinity, 'k', 'a', 0)).toBe(0.9);
    affinity.learn('k', 'a', 1_000, 0, 0);
    expect(share(affinity, 'k', 'a', 0)).toBe(0);
    expect(share(affinity, 'k', 'b', 0)).toBe(0);
  });

  it('is 0 for an endpoint whose answers do not report cached tokens', () => {
    const affinity = new Affinity();
    affinity.learn('k', 'a', 1_000, undefined, 0);
    expect(share(affinity, 'k', 'a', 0)).toBe(0);
  });

  it('expires after five minutes without a call, and is kept for at most 10,000 prefixes', () => {
    const affinity = new Affinity();
    affinity.learn('k', 'a', 1_000, 800, 0);
    expect(share(affinity, 'k', 'a', 4 * MINUTE)).toBeGreaterThan(0);
    expect(share(affinity, 'k', 'a', 6 * MINUTE)).toBe(0);
    affinity.learn('old', 'a', 1_000, 800, 0);
    for (let n = 0; n < 10_000; n++) affinity.learn(`k${n}`, 'a', 1_000, 800, 0);
    expect(share(affinity, 'old', 'a', 0)).toBe(0);
    expect(share(affinity, 'k9999', 'a', 0)).toBe(0.8);
  });
});
