import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { anthropicDialect, type Dialect, geminiDialect, openaiDialect } from 'express-ai-balancer';
import { ANTHROPIC_SUPPORT } from '../../lib/provider/anthropic/support';
import type { DialectCall } from '../../lib/provider/dialect';
import { GEMINI_SUPPORT } from '../../lib/provider/gemini/support';
import {
  CHAT_FEATURES,
  type ChatFeature,
  EMBEDDING_FEATURES,
  type EmbeddingFeature,
  type FeatureSupport,
} from '../../lib/provider/translation/features';
import { answer, json, Rig, rejection } from '../failover/upstream';
import { ask, endpointOf, PNG, TOOLS, WEATHER_TOOL } from './fixtures/conversation';

const said = (part: object) => ({ messages: [{ role: 'user', content: [part] }] });

/** A chat body that uses each feature and no other. */
const CHATS: Record<ChatFeature, object> = {
  'images (URL)': said({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }),
  'images (base64)': said({ type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }),
  'image detail': said({ type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } }),
  'files (base64)': said({ type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERi0=' } }),
  'files (file_id)': said({ type: 'file', file: { file_id: 'file-1' } }),
  'audio input': said({ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }),
  'audio output': { modalities: ['text', 'audio'] },
  'other content parts': said({ type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } }),
  tools: { tools: TOOLS },
  'custom tools': { tools: [{ type: 'custom', custom: { name: 'x' } }] },
  'strict tools': { tools: [{ ...WEATHER_TOOL, function: { ...WEATHER_TOOL.function, strict: true } }] },
  tool_choice: { tools: TOOLS, tool_choice: 'required' },
  'parallel_tool_calls: false': { tools: TOOLS, parallel_tool_calls: false },
  functions: { functions: [{ name: 'f' }] },
  'response_format: json_schema': {
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'x', schema: { type: 'object', properties: {} } },
    },
  },
  'response_format: json_object': { response_format: { type: 'json_object' } },
  max_completion_tokens: { max_completion_tokens: 2000 },
  temperature: { temperature: 0.5 },
  top_p: { top_p: 0.5 },
  stop: { stop: 'END' },
  n: { n: 2 },
  seed: { seed: 1 },
  frequency_penalty: { frequency_penalty: 1 },
  presence_penalty: { presence_penalty: 1 },
  logit_bias: { logit_bias: { 1: 1 } },
  logprobs: { logprobs: true },
  reasoning_effort: { reasoning_effort: 'high' },
  verbosity: { verbosity: 'low' },
  cache_control: said({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }),
  user: { user: 'u' },
  service_tier: { service_tier: 'flex' },
  prediction: { prediction: { type: 'content', content: 'x' } },
  web_search_options: { web_search_options: {} },
  metadata: { metadata: { a: 'b' } },
  store: { store: true },
  prompt_cache_key: { prompt_cache_key: 'k' },
};

const EMBEDDINGS: Record<EmbeddingFeature, object> = {
  dimensions: { input: 'a', dimensions: 8 },
  'encoding_format: base64': { input: 'a', encoding_format: 'base64' },
  'token ids': { input: [1, 2] },
};

const DIALECTS: [string, Dialect, FeatureSupport, string][] = [
  ['Anthropic', anthropicDialect, ANTHROPIC_SUPPORT, 'claude-sonnet-4-5'],
  ['Gemini', geminiDialect, GEMINI_SUPPORT, 'gemini-3-pro-preview'],
];

describe.each(DIALECTS)('The %s dialect', (name, dialect, support, model) => {
  const endpoint = endpointOf(name.toLowerCase(), model);
  const plain = dialect.request(ask(), endpoint).body;
  const dropped = (call: DialectCall) => dialect.request(call, endpoint).dropped ?? [];

  it.each(Object.entries(support.chat))('treats the feature %s as documented: %s', (feature, what) => {
    const call = ask(CHATS[feature as ChatFeature]);
    expect(CHAT_FEATURES[feature as ChatFeature]({ ...call.body })).toBeDefined();
    const refused = dialect.unsupported?.(call, endpoint);
    if (what === 'refused') {
      expect(refused).toContain(feature.split(':')[0]);
      return;
    }
    expect(refused).toBeUndefined();
    expect(dropped(call)).toEqual(what === 'dropped' ? [feature] : []);
    const isSent = dialect.request(call, endpoint).body !== plain;
    // What stands in a message, or changes a tool, is seen beside it.
    if (what === 'sent') expect(isSent).toBe(true);
    else if (!('messages' in CHATS[feature as ChatFeature]) && !call.body.tools) expect(isSent).toBe(false);
  });

  it('treats the features of embeddings as documented', () => {
    for (const [feature, body] of Object.entries(EMBEDDINGS)) {
      expect(EMBEDDING_FEATURES[feature as EmbeddingFeature]({ ...body })).toBeDefined();
      const call = { operation: 'embeddings', stream: false, body: { model: 'm', ...body } } as DialectCall;
      const isRefused = support.embeddings?.[feature as EmbeddingFeature] !== 'sent';
      expect([feature, dialect.unsupported?.(call, endpoint) !== undefined]).toEqual([feature, isRefused]);
    }
  });
});

it('docs/providers.md has the same table of features as the code, in which OpenAI supports all of them', () => {
  const page = readFileSync(join(__dirname, '../../docs/providers.md'), 'utf8');
  const rows = [...page.matchAll(/^\| ([^|]+) \| (sent) \| (\w+) \| (\w+) \|/gm)].map(
    ([, ...cells]) => cells,
  );
  expect(rows).toEqual([
    ...Object.keys(CHAT_FEATURES).map((feature) => [
      feature,
      'sent',
      ANTHROPIC_SUPPORT.chat[feature as ChatFeature],
      GEMINI_SUPPORT.chat[feature as ChatFeature],
    ]),
    ...Object.keys(EMBEDDING_FEATURES).map((feature) => [
      `embeddings: ${feature}`,
      'sent',
      'refused',
      GEMINI_SUPPORT.embeddings?.[feature as EmbeddingFeature],
    ]),
  ]);
  expect(openaiDialect.unsupported).toBeUndefined();
});

describe('A call with a feature that an endpoint does not support', () => {
  const rig = new Rig();
  const hello = { messages: [{ role: 'user', content: 'Hi' }] };

  it('goes to an endpoint that supports it, or else is refused with the name of the feature', async () => {
    const { balancer, upstream } = await rig.start(
      { claude: answer(), gpt: answer('Served') },
      { each: { claude: { provider: 'anthropic' } } },
    );
    const { data, route } = await balancer.chat({ ...hello, model: 'm', logprobs: true }).withRoute();
    expect(data.choices[0]?.message.content).toBe('Served');
    expect(upstream.count('claude')).toBe(0);
    expect(route.why).toContainEqual(
      expect.objectContaining({
        endpoint: 'claude',
        removedBy: "dialect: anthropic does not support 'logprobs'",
      }),
    );
    const refused = await rejection(
      balancer.chat({ ...hello, model: 'm', logprobs: true }, { endpoint: 'claude' }),
    );
    expect(refused).toMatchObject({ code: 'ERR_AI_NO_ENDPOINT', status: 404 });
    expect((refused as Error).message).toContain("claude (dialect: anthropic does not support 'logprobs')");
    expect(upstream.count('claude')).toBe(0);
  });

  it('is not sent to a provider without embeddings if it is an embeddings call', async () => {
    const { balancer } = await rig.start(
      { claude: answer() },
      { each: { claude: { provider: 'anthropic' } } },
    );
    const refused = await rejection(balancer.embeddings({ model: 'm', input: 'a' }));
    expect((refused as Error).message).toContain("dialect: anthropic does not support 'embeddings'");
  });

  it('is sent without a feature that is harmless to leave out, with a single warning that names it', async () => {
    const warnings: string[] = [];
    const none = (): void => undefined;
    const logger = {
      debug: none,
      info: none,
      error: none,
      warn: (_: object, text: string) => warnings.push(text),
    };
    const { balancer, upstream } = await rig.start(
      {
        claude: (arrival) =>
          json(arrival, 200, { id: 'x', content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn' }),
      },
      { each: { claude: { provider: 'anthropic' } }, logger },
    );
    for (let call = 0; call < 2; call++) await balancer.chat({ ...hello, model: 'm', seed: 7 });
    expect(upstream.requests[0]?.body).not.toHaveProperty('seed');
    expect(warnings.filter((text) => text.includes('seed'))).toEqual([
      "endpoint 'claude' can't do 'seed': its requests are sent without it (docs/providers.md)",
    ]);
  });
});
