import { readChatEvents } from '../../lib/stream/chat-event-reader';
import { UsageMeter } from '../../lib/stream/usage-meter';
import { chunkText, DONE, OPTIONS, Source, USAGE_EVENT } from './fixtures/streams';

async function meter(pieces: string[], options = {}): Promise<UsageMeter> {
  const counted = new UsageMeter({ promptTokens: 10, estimateTokens: (text) => text.length / 4, ...options });
  try {
    for await (const event of readChatEvents(new Source(pieces), OPTIONS)) counted.add(event);
  } catch {
    // Cut streams are counted too.
  }
  return counted;
}

describe('UsageMeter', () => {
  it('returns what the upstream reports', async () => {
    const counted = await meter([
      chunkText({ content: 'x'.repeat(400) }),
      chunkText({}, 'stop'),
      USAGE_EVENT,
      DONE,
    ]);
    expect(counted.usage()).toEqual({ prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 });
  });

  it('estimates the usage of a cut-off stream from its text, reasoning and tool arguments', async () => {
    const counted = await meter([
      chunkText({ reasoning_content: 'x'.repeat(40) }),
      chunkText({ content: 'x'.repeat(40) }),
      chunkText({ tool_calls: [{ index: 0, function: { name: 'abcd', arguments: 'x'.repeat(36) } }] }),
    ]);
    expect(counted.usage()).toEqual({ prompt_tokens: 10, completion_tokens: 30, total_tokens: 40 });
    expect(counted.reported).toBeUndefined();
  });

  it('estimates the usage of a cut-off stream after a report in its middle', async () => {
    const early = chunkText({ content: '' }).replace(
      '{"id"',
      '{"usage":{"prompt_tokens":7,"completion_tokens":1},"id"',
    );
    const counted = await meter([early, chunkText({ content: 'x'.repeat(400) })]);
    expect(counted.usage()).toMatchObject({ prompt_tokens: 7, completion_tokens: 100, total_tokens: 107 });
  });

  it('estimates a long text from a sample of it', async () => {
    const lengths: number[] = [];
    const estimateTokens = (text: string): number => {
      lengths.push(text.length);
      return text.length / 4;
    };
    const counted = await meter(
      Array.from({ length: 100 }, () => chunkText({ content: 'x'.repeat(1000) })),
      { estimateTokens },
    );
    expect(counted.usage().completion_tokens).toBe(25_000);
    expect(lengths).toEqual([4096]);
  });

  it('keeps the text of the first choice up to its limit, and says if that is not all of it', async () => {
    const pieces = [
      ...'abcdefghij'.split('').map((content) => chunkText({ content })),
      chunkText({ content: 'other' }, null, 1),
    ];
    const whole = await meter(pieces);
    expect([whole.text, whole.isTextComplete]).toEqual(['abcdefghij', true]);
    const bounded = await meter(pieces, { maxTextLength: 4 });
    expect([bounded.text, bounded.isTextComplete]).toEqual(['abcd', false]);
  });
});
