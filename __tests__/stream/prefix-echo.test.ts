import fc from 'fast-check';
import type { Usage } from '../../lib/call/answer';
import { readChatEvents } from '../../lib/stream/chat-event-reader';
import { continuedEvents, type EchoResult, PrefixEcho } from '../../lib/stream/continued-events';
import { chunkText, OPTIONS, Source } from './fixtures/streams';

const ANSWERS = [
  'Thank you for writing to us. Your parcel left our house yesterday evening and is with the carrier now; it should ' +
    'be with you tomorrow before noon.\n\nIf nobody is at home, the driver leaves it with a neighbour.',
  'Die Lieferung nach Köln verzögert sich um zwei Tage, weil die Straße gesperrt ist. Größere Möbel – auch 🛋️ – ' +
    'kommen am Freitag.',
  '1. Open the **settings**.\n2. Choose `Orders`, then "Return".\n3. Print the label: 49 × 99 mm, 1.25 kg.\n',
  '您的包裹昨天晚上已经离开我们的仓库，现在由承运人运送，明天中午之前应该会送到。如果家中无人，司机会把它交给邻居。',
];
const LONG = ANSWERS.join('\n').repeat(12);

/** The result for a continuation that arrives in pieces of these sizes, in rotation. */
function resultOf(prefix: string, continuation: string, sizes: readonly number[] = [5]): EchoResult {
  const echo = new PrefixEcho(prefix);
  for (let at = 0, turn = 0; at < continuation.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    const result = echo.add(continuation.slice(at, at + size));
    if (result) return result;
    at += size;
  }
  return echo.end();
}

function joined(prefix: string, continuation: string, sizes?: readonly number[]): string {
  const result = resultOf(prefix, continuation, sizes);
  return result.kind === 'restarted' ? continuation : prefix + continuation.slice(result.echoed);
}

const anyAnswer = fc.constantFrom(...ANSWERS, LONG);
const anySizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });

describe('PrefixEcho: a continuation of a prefix', () => {
  it('loses and repeats no character wherever the answer was cut off, when the upstream echoes nothing', () => {
    for (const answer of ANSWERS) {
      for (let cut = 24; cut < answer.length; cut++) {
        expect(joined(answer.slice(0, cut), answer.slice(cut))).toBe(answer);
      }
    }
  });

  it('loses and repeats no character when the upstream echoes the whole prefix, in pieces of any size', () => {
    fc.assert(
      fc.property(anyAnswer, fc.nat(), anySizes, (answer, at, sizes) => {
        const cut = 24 + (at % (answer.length - 24));
        expect(joined(answer.slice(0, cut), answer, sizes)).toBe(answer);
      }),
      { numRuns: 2_000 },
    );
  });

  it('removes an echo that arrives as one delta of several thousand characters', () => {
    const prefix = LONG.slice(0, 2_408);
    expect(resultOf(prefix, prefix, [LONG.length])).toEqual({ kind: 'continued', echoed: 2_408 });
    expect(joined(prefix, LONG, [2_408, 3])).toBe(LONG);
  });

  it('recognises an echo whose trailing white space the chat template has trimmed', () => {
    const prefix = 'The parcel is on its way.\n\n';
    expect(joined(prefix, 'The parcel is on its way.It arrives soon.')).toBe(`${prefix}It arrives soon.`);
  });

  it('gives the same result whatever the sizes of the pieces', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', 'é'), maxLength: 60 });
    fc.assert(
      fc.property(few, few, anySizes, (prefix, continuation, sizes) => {
        const whole = resultOf(prefix, continuation, [1]);
        expect(joined(prefix, continuation, sizes)).toBe(
          whole.kind === 'restarted' ? continuation : prefix + continuation.slice(whole.echoed),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['hel', 'lo', 'hello'],
    ['It costs 1', '1.50', 'It costs 11.50'],
    ['very', ' very good', 'very very good'],
    ['-----', '|', '-----|'],
    ['1. Open the settings.\n', '2. Open the door.', '1. Open the settings.\n2. Open the door.'],
  ])('keeps what only resembles the prefix: %j continued by %j', (prefix, continuation, whole) => {
    expect(joined(prefix, continuation)).toBe(whole);
  });

  it('counts as a restart when it begins like the prefix and then differs', () => {
    const [answer = ''] = ANSWERS;
    const other = 'Thank you for writing to us! We have looked into it.';
    expect(resultOf(answer.slice(0, 60), other)).toEqual({ kind: 'restarted' });
    expect(resultOf('The shop is open until six. ', 'The shop has a bell.')).toEqual({
      kind: 'continued',
      echoed: 0,
    });
  });

  it('is decided at the first character that differs from the prefix', () => {
    const [answer = ''] = ANSWERS;
    expect(new PrefixEcho(answer).add(' Is there')).toEqual({ kind: 'continued', echoed: 0 });
    expect(new PrefixEcho(answer).add('Thank')).toBeUndefined();
  });
});

describe('The events of a continuation', () => {
  const PRIOR: Usage = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 };
  const FINISH = chunkText({}, 'stop');

  async function continued(text: string, pieces: string[]) {
    const events = readChatEvents(new Source(pieces), { ...OPTIONS, mayBeEmpty: true });
    const identity = { id: 'first', created: 1, model: 'm' };
    const chunks = [];
    for await (const { chunk } of continuedEvents(events, {
      text,
      identity,
      priorUsage: PRIOR,
      onRestart: () => undefined,
    })) {
      expect(chunk).toMatchObject(identity);
      chunks.push(chunk);
    }
    return chunks;
  }

  it('have no second role, and no event that would be empty without it', async () => {
    const role = chunkText({ role: 'assistant' });
    const chunks = await continued('One ', [role, chunkText({ content: 'two' }), role, FINISH]);
    expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([{ content: 'two' }, {}]);
  });

  it('end if the upstream has nothing to add and only repeats a part of the text', async () => {
    const chunks = await continued('One two', [chunkText({ content: 'One' }), FINISH]);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content)).toEqual(['One', undefined]);
  });

  it('are all kept if the continuation stops before it is known whether it is an echo', async () => {
    const events = readChatEvents(new Source([chunkText({ content: 'One' }), FINISH]), OPTIONS);
    const first = await events.next();
    const texts: string[] = [];
    for await (const { text } of continuedEvents(onlyFirst(first.value!), {
      text: 'One two',
      identity: { id: 'first', created: 1, model: 'm' },
      priorUsage: PRIOR,
      onRestart: () => undefined,
    }))
      texts.push(text);
    expect(texts).toEqual(['One']);
  });

  async function* onlyFirst<T>(event: T): AsyncGenerator<T> {
    yield await Promise.resolve(event);
  }

  it.each<[string, object | undefined, Usage]>([
    [
      'adds both parts',
      { prompt_tokens: 12, completion_tokens: 3 },
      { prompt_tokens: 22, completion_tokens: 7, total_tokens: 29 },
    ],
    ['is that of the first part if the report of the second is nonsense', { prompt_tokens: -1 }, PRIOR],
  ])('report a usage that %s', async (_what, usage, total) => {
    const report = `data: ${JSON.stringify({ choices: [], usage })}\n\n`;
    const chunks = await continued('One ', [chunkText({ content: 'two' }), FINISH, report]);
    const reported = chunks.filter((chunk) => chunk.usage);
    expect(reported.map((chunk) => chunk.usage)).toEqual([total]);
  });

  it('may have choices without a delta', async () => {
    const chunks = await continued('One ', [
      chunkText({ content: 'two' }),
      'data: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\n',
    ]);
    expect(chunks.at(-1)?.choices).toEqual([{ index: 0, finish_reason: 'stop', delta: {} }]);
  });
});
