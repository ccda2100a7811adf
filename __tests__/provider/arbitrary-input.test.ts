import {
  anthropicDialect,
  azureDialect,
  type Dialect,
  geminiDialect,
  openaiDialect,
} from 'express-ai-balancer';
import fc from 'fast-check';
import { StreamFailure } from '../../lib/stream/stream-errors';
import { ask, chat, endpointOf } from './fixtures/conversation';
import { readStream } from './fixtures/read-stream';

const DIALECTS: [string, Dialect, string[]][] = [
  ['openai', openaiDialect, ['gpt-4o']],
  ['azure', azureDialect, ['gpt-4o']],
  ['anthropic', anthropicDialect, ['claude-3-5-haiku-latest', 'claude-sonnet-4-5', 'claude-opus-5', 'x']],
  ['gemini', geminiDialect, ['gemini-2.0-flash', 'gemini-2.5-pro', 'gemini-3-flash-preview', 'x']],
];

/** Mostly of the right shape, sometimes anything: the balancer checks only roles and the fields that it reads itself. */
const loose = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) });

const url = fc.constantFrom(
  'https://a.example/b.png',
  'data:image/png;base64,AAAA',
  'data:,x%',
  'data:text/plain,hi',
  '',
);
const part = loose(
  fc.oneof(
    fc.record({
      type: fc.constant('text'),
      text: loose(fc.string()),
      cache_control: loose(fc.constant({ type: 'ephemeral' })),
    }),
    fc.record({ type: fc.constant('image_url'), image_url: loose(fc.record({ url: loose(url) })) }),
    fc.record({
      type: fc.constant('file'),
      file: loose(fc.record({ file_data: loose(url), filename: loose(fc.string()) })),
    }),
    fc.record({
      type: fc.constant('input_audio'),
      input_audio: loose(fc.record({ data: fc.base64String(), format: fc.constant('wav') })),
    }),
  ),
);
const id = fc.constantFrom('call_1', 'functions.f:0', 'x'.repeat(80), '');
const call = loose(
  fc.record({
    id: loose(id),
    type: fc.constant('function'),
    function: loose(fc.record({ name: loose(fc.constant('f')), arguments: loose(fc.json()) })),
    extra_content: loose(fc.constant({ google: { thought_signature: 'c2ln' } })),
  }),
);
const message = fc.record(
  {
    role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool', 'function', 'strange'),
    content: fc.oneof(fc.string(), fc.constant(null), fc.array(part, { maxLength: 3 })),
    tool_calls: loose(fc.array(call, { maxLength: 3 })),
    tool_call_id: loose(id),
    thinking_blocks: loose(fc.constant([{ type: 'thinking', thinking: 'x', signature: 'y' }])),
    refusal: loose(fc.constant(null)),
  },
  { requiredKeys: ['role'] },
);
const body = fc.record(
  {
    messages: fc.array(message, { minLength: 1, maxLength: 6 }),
    tools: loose(fc.constant([{ type: 'function', function: { name: 'f' } }])),
    tool_choice: loose(fc.constantFrom('auto', 'required')),
    response_format: loose(fc.constant({ type: 'json_schema', json_schema: { schema: { type: 'object' } } })),
    stop: loose(fc.string()),
    reasoning_effort: loose(fc.constantFrom('none', 'low', 'max')),
    temperature: loose(fc.double()),
    max_tokens: fc.integer({ min: 1 }),
    n: loose(fc.constant(1)),
    thinking: loose(fc.constant({ type: 'adaptive' })),
    extra_body: loose(fc.constant({ google: { thinking_config: {} } })),
  },
  { requiredKeys: ['messages'] },
);

describe.each(DIALECTS)('The %s dialect', (provider, dialect, models) => {
  it('translates any body that the balancer accepts to JSON, without throwing or modifying the body', () => {
    fc.assert(
      fc.property(body, fc.constantFrom(...models), fc.boolean(), (fields, model, stream) => {
        const before = JSON.stringify(fields);
        const call = chat(fields, stream);
        const endpoint = endpointOf(provider, model, { baseURL: 'https://api.openai.com/v1' });
        dialect.unsupported?.(call, endpoint);
        const request = dialect.request(call, endpoint);
        JSON.parse(request.body);
        expect(JSON.stringify(fields)).toBe(before);
      }),
      { numRuns: 300 },
    );
  });

  it('converts any JSON to an answer or throws an Error', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        try {
          dialect.answer({ status: 200, headers: {}, body: text }, ask());
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('A conversation with any roles and tool calls', () => {
  const sane = fc.array(
    fc.record({
      role: fc.constantFrom('user', 'assistant', 'tool'),
      content: fc.constantFrom('', 'x'),
      tool_calls: fc.array(fc.record({ id, function: fc.constant({ name: 'f', arguments: '{}' }) }), {
        maxLength: 2,
      }),
      tool_call_id: id,
    }),
    { minLength: 1, maxLength: 8 },
  );

  it('alternates between user and assistant and has no empty text in requests to Anthropic and Gemini', () => {
    fc.assert(
      fc.property(sane, (messages) => {
        const claude = JSON.parse(
          anthropicDialect.request(chat({ messages }), endpointOf('anthropic', 'claude-opus-5')).body,
        ) as {
          messages: { role: string; content: { type: string; text?: string; id?: string }[] }[];
        };
        const google = JSON.parse(
          geminiDialect.request(chat({ messages }), endpointOf('gemini', 'gemini-3-pro')).body,
        ) as {
          contents: { role: string; parts: { text?: string }[] }[];
        };
        for (const turns of [claude.messages, google.contents]) {
          for (const [at, { role }] of turns.entries())
            if (at > 0) expect(role).not.toBe(turns[at - 1]?.role);
        }
        for (const { content } of claude.messages) {
          expect(content.length).toBeGreaterThan(0);
          for (const block of content) {
            expect(block.text).not.toBe('');
            if (block.type === 'tool_use') expect(block.id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
          }
        }
        for (const { parts } of google.contents) for (const part of parts) expect(part.text).not.toBe('');
      }),
      { numRuns: 300 },
    );
  });
});

describe.each(DIALECTS.slice(2))('A stream of the %s dialect', (_provider, dialect) => {
  const event = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.record({
      type: fc.constantFrom(
        'message_start',
        'content_block_start',
        'content_block_delta',
        'content_block_stop',
        'message_delta',
      ),
      index: fc.constantFrom(0, 1, null),
      delta: loose(
        fc.record({
          type: fc.constantFrom('text_delta', 'input_json_delta', 'thinking_delta'),
          text: fc.string(),
        }),
      ),
      content_block: loose(fc.record({ type: fc.constantFrom('text', 'tool_use', 'thinking') })),
    }),
    fc.record({
      candidates: loose(
        fc.array(
          loose(
            fc.record({
              content: loose(
                fc.record({ parts: loose(fc.array(loose(fc.record({ text: loose(fc.string()) })))) }),
              ),
            }),
          ),
        ),
      ),
    }),
  );

  it('fails with a StreamFailure, and is never taken for a whole answer, if its events have no end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 6 }), async (events) => {
        const text = events.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('');
        const error: unknown = await readStream(dialect, [text]).catch((e: unknown) => e);
        expect(error).toBeInstanceOf(StreamFailure);
      }),
      { numRuns: 200 },
    );
  });
});
