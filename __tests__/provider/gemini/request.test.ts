import type { GenerateContentParameters } from '@google/genai';
import type { DialectCall, DialectEndpoint } from '../../../lib/provider/dialect';
import { geminiDialect } from '../../../lib/provider/gemini/gemini-dialect';
import type { GenerateContentRequest } from '../../../lib/provider/gemini/wire';
import {
  ask,
  CLOCK_TOOL,
  CONVERSATION,
  chat,
  endpointOf,
  PNG,
  TOOLS,
  WEATHER_TOOL,
} from '../fixtures/conversation';

const PRO3 = endpointOf('gemini', 'gemini-3-pro-preview', { maxOutputTokens: 65_536 });
const FLASH25 = endpointOf('gemini', 'gemini-2.5-flash', { maxOutputTokens: 65_536 });
const FLASH20 = endpointOf('gemini', 'gemini-2.0-flash');

function sent(call: DialectCall, endpoint: DialectEndpoint = PRO3): GenerateContentRequest {
  const request = JSON.parse(geminiDialect.request(call, endpoint).body) as GenerateContentRequest;
  // The compiler checks our types against the SDK's, whose parameters have the fields of both.
  const {
    contents,
    tools,
    systemInstruction,
    generationConfig: { thinkingConfig: _level, ...config } = {},
  } = request;
  ({
    model: '',
    contents,
    config: { ...config, tools, systemInstruction },
  }) satisfies GenerateContentParameters;
  return request;
}

const dropped = (call: DialectCall, endpoint: DialectEndpoint = PRO3) =>
  geminiDialect.request(call, endpoint).dropped;

describe('A request of the Gemini dialect', () => {
  it('carries a whole conversation: system prompt, image, parallel tool calls and their results', () => {
    expect(sent(chat({ model: 'auto', messages: CONVERSATION, tools: TOOLS }), FLASH25)).toEqual({
      systemInstruction: { parts: [{ text: 'Answer in one sentence.' }] },
      contents: [
        {
          role: 'user',
          parts: [
            { text: 'What is the weather where this was taken?' },
            { inlineData: { mimeType: 'image/png', data: PNG } },
          ],
        },
        {
          role: 'model',
          parts: [
            { text: 'I look it up.' },
            { functionCall: { id: 'call_1', name: 'get_weather', args: { city: 'Paris', unit: 'celsius' } } },
            { functionCall: { id: 'call_2', name: 'get_time', args: {} } },
          ],
        },
        {
          role: 'user',
          parts: [
            {
              functionResponse: { id: 'call_1', name: 'get_weather', response: { output: { celsius: 21 } } },
            },
            { functionResponse: { id: 'call_2', name: 'get_time', response: { output: '12:00' } } },
            { text: 'And in Lyon?' },
          ],
        },
      ],
      tools: [
        {
          functionDeclarations: [
            {
              name: 'get_weather',
              description: 'The weather of a city',
              parametersJsonSchema: WEATHER_TOOL.function.parameters,
            },
            { name: 'get_time' },
          ],
        },
      ],
    } satisfies GenerateContentRequest);
  });

  it('has the model and the method in the path and the key in x-goog-api-key', () => {
    const { path, headers } = geminiDialect.request(ask(), { ...PRO3, apiKey: 'AIza\n' });
    expect(path).toBe('/models/gemini-3-pro-preview:generateContent');
    expect(headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'x-goog-api-key': 'AIza',
    });
    expect(geminiDialect.request(ask({}, true), PRO3).path).toBe(
      '/models/gemini-3-pro-preview:streamGenerateContent?alt=sse',
    );
    expect(geminiDialect.request(ask(), endpointOf('gemini', 'tunedModels/x y')).path).toBe(
      '/tunedModels/x%20y:generateContent',
    );
  });

  it('sends the thought signature of a tool call back', () => {
    const messages = [
      {
        role: 'assistant',
        tool_calls: [
          {
            id: 'a',
            type: 'function',
            function: { name: 'f', arguments: '{}' },
            extra_content: { google: { thought_signature: 'c2ln' } },
          },
          { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
        ],
      },
    ];
    expect(sent(chat({ messages })).contents[0]?.parts).toEqual([
      { functionCall: { id: 'a', name: 'f', args: {} }, thoughtSignature: 'c2ln' },
      { functionCall: { id: 'b', name: 'g', args: {} } },
    ]);
  });

  it('sends the thought signature of a text back', () => {
    const extra_content = { google: { thought_signature: 'c2ln' } };
    const { contents } = sent(chat({ messages: [{ role: 'assistant', content: 'Hi', extra_content }] }));
    expect(contents[0]?.parts).toEqual([{ text: 'Hi', thoughtSignature: 'c2ln' }]);
  });

  it("gives another provider's tool calls a placeholder signature, for models that require one", () => {
    const call = chat({ messages: CONVERSATION });
    const [, withText] = sent(call).contents;
    expect(withText?.parts.map(({ thoughtSignature }) => thoughtSignature)).toEqual([
      undefined,
      'skip_thought_signature_validator',
      undefined,
    ]);
    expect(JSON.stringify(sent(call, FLASH25))).not.toContain('thoughtSignature');
  });

  it("leaves out another provider's thinking", () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      {
        role: 'assistant',
        content: null,
        thinking_blocks: [{ type: 'thinking', thinking: 'x', signature: 'y' }],
      },
    ];
    expect(sent(chat({ messages })).contents).toEqual([{ role: 'user', parts: [{ text: 'Hi' }] }]);
  });

  it('carries images by URL, files, audio, and images in a tool result', () => {
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'https://example.com/a.webp?x=1' } },
          { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERi0=' } },
          { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'mp3' } },
        ],
      },
      { role: 'assistant', tool_calls: [{ id: 'c', function: { name: 'look', arguments: '{}' } }] },
      {
        role: 'tool',
        tool_call_id: 'c',
        content: [
          { type: 'text', text: 'Here' },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
        ],
      },
    ];
    const { contents } = sent(chat({ messages }), FLASH25);
    expect(contents[0]?.parts).toEqual([
      { fileData: { mimeType: 'image/webp', fileUri: 'https://example.com/a.webp?x=1' } },
      { inlineData: { mimeType: 'application/pdf', data: 'JVBERi0=' } },
      { inlineData: { mimeType: 'audio/mp3', data: 'UklGRg==' } },
    ]);
    expect(contents[2]?.parts).toEqual([
      { functionResponse: { id: 'c', name: 'look', response: { output: 'Here' } } },
      { inlineData: { mimeType: 'image/png', data: PNG } },
    ]);
  });

  it("translates the generation parameters to the API's own fields", () => {
    const call = ask({
      max_tokens: 10,
      max_completion_tokens: 100_000,
      temperature: 1.5,
      top_p: 0.5,
      n: 2,
      seed: 7,
      stop: 'END',
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
      top_k: 40,
      user: 'u',
    });
    expect(sent(call).generationConfig).toEqual({
      maxOutputTokens: 65_536,
      temperature: 1.5,
      topP: 0.5,
      topK: 40,
      candidateCount: 2,
      seed: 7,
      stopSequences: ['END'],
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
    });
    expect(dropped(call)).toEqual([]);
    expect(sent(ask())).not.toHaveProperty('generationConfig');
  });

  it.each<[unknown, object | undefined]>([
    ['auto', { mode: 'AUTO' }],
    ['none', { mode: 'NONE' }],
    ['required', { mode: 'ANY' }],
    [
      { type: 'function', function: { name: 'get_time' } },
      { mode: 'ANY', allowedFunctionNames: ['get_time'] },
    ],
    [undefined, undefined],
  ])('translates the tool choice %j to %j', (tool_choice, expected) => {
    const { toolConfig } = sent(ask({ tools: [WEATHER_TOOL, CLOCK_TOOL], tool_choice }));
    expect(toolConfig?.functionCallingConfig).toEqual(expected);
  });

  it('requests JSON output with the unchanged schema', () => {
    const schema = {
      type: 'object',
      properties: { a: { $ref: '#/$defs/x' } },
      $defs: { x: { type: 'string' } },
    };
    const format = { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } };
    expect(sent(ask({ response_format: format })).generationConfig).toEqual({
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
    });
    expect(sent(ask({ response_format: { type: 'json_object' } })).generationConfig).toEqual({
      responseMimeType: 'application/json',
    });
  });

  it.each<[string, string, object]>([
    ['gemini-3-pro-preview', 'high', { thinkingLevel: 'HIGH', includeThoughts: true }],
    ['gemini-3-pro-preview', 'minimal', { thinkingLevel: 'LOW', includeThoughts: true }],
    ['gemini-3-flash-preview', 'minimal', { thinkingLevel: 'MINIMAL', includeThoughts: true }],
    ['gemini-3-flash-preview', 'none', { thinkingLevel: 'MINIMAL' }],
    ['gemini-2.5-flash', 'medium', { thinkingBudget: 8192, includeThoughts: true }],
    ['gemini-2.5-flash', 'none', { thinkingBudget: 0 }],
    ['gemini-2.5-pro', 'none', { thinkingBudget: 128 }],
  ])('translates, for %s, the reasoning_effort %s to %j', (model, reasoning_effort, expected) => {
    const { generationConfig } = sent(ask({ reasoning_effort }), endpointOf('gemini', model));
    expect(generationConfig?.thinkingConfig).toEqual(expected);
  });

  it('leaves out reasoning_effort, and reports it as dropped, if the model does not think', () => {
    const call = ask({ reasoning_effort: 'high' });
    expect(sent(call, FLASH20)).not.toHaveProperty('generationConfig');
    expect(dropped(call, FLASH20)).toEqual(['reasoning_effort']);
  });

  it("accepts Google's own fields in extra_body.google, as its OpenAI-compatible API does", () => {
    const google = {
      thinking_config: { thinking_budget: 5, include_thoughts: true },
      cached_content: 'cachedContents/1',
    };
    expect(sent(ask({ extra_body: { google } }))).toMatchObject({
      generationConfig: { thinkingConfig: { thinkingBudget: 5, includeThoughts: true } },
      cachedContent: 'cachedContents/1',
    });
  });

  it('leaves out features that are harmless to drop and reports their names', () => {
    const call = ask({
      verbosity: 'low',
      x_unknown: 1,
      tools: [{ ...WEATHER_TOOL, function: { ...WEATHER_TOOL.function, strict: true } }],
    });
    expect(dropped(call)).toEqual(['strict tools', 'verbosity', 'x_unknown']);
  });
});

describe('The Gemini dialect', () => {
  it.each<[string, object]>([
    ['logprobs', { logprobs: true }],
    ['logit_bias', { logit_bias: { 1: 100 } }],
    ['parallel_tool_calls (parallel_tool_calls: false)', { tools: TOOLS, parallel_tool_calls: false }],
    ['audio (audio output)', { audio: { voice: 'x', format: 'wav' } }],
    [
      'messages[0].content[0] (files (file_id))',
      { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }] },
    ],
  ])('refuses %s by name', (name, fields) => {
    expect(geminiDialect.unsupported?.(ask(fields), PRO3)).toBe(name);
  });

  it('accepts parallel_tool_calls: false if tool_choice forces one function', () => {
    const tool_choice = { type: 'function', function: { name: 'get_time' } };
    const call = ask({ tools: TOOLS, tool_choice, parallel_tool_calls: false });
    expect(geminiDialect.unsupported?.(call, PRO3)).toBeUndefined();
    expect(dropped(call)).toEqual([]);
  });

  it('refuses JSON output combined with tools before Gemini 3', () => {
    const call = ask({ tools: TOOLS, response_format: { type: 'json_object' } });
    expect(geminiDialect.unsupported?.(call, FLASH25)).toBe('response_format (beside tools)');
    expect(geminiDialect.unsupported?.(call, PRO3)).toBeUndefined();
  });

  it('accepts a plain conversation with tools and an image', () => {
    expect(
      geminiDialect.unsupported?.(chat({ messages: CONVERSATION, tools: TOOLS }), FLASH25),
    ).toBeUndefined();
  });
});

describe('Embeddings of the Gemini dialect', () => {
  const endpoint = endpointOf('gemini', 'gemini-embedding-001');
  const embeddings = (body: object) =>
    ({ operation: 'embeddings', stream: false, body: { model: 'm', ...body } }) as DialectCall;
  const answer = (body: object, wire: object) =>
    geminiDialect.answer({ status: 200, headers: {}, body: JSON.stringify(wire) }, embeddings(body));

  it('are requested with one batchEmbedContents for all inputs', () => {
    const { path, body } = geminiDialect.request(
      embeddings({ input: ['a', 'b'], dimensions: 256 }),
      endpoint,
    );
    expect(path).toBe('/models/gemini-embedding-001:batchEmbedContents');
    const part = (text: string) => ({
      model: 'models/gemini-embedding-001',
      content: { parts: [{ text }] },
      outputDimensionality: 256,
    });
    expect(JSON.parse(body)).toEqual({ requests: [part('a'), part('b')] });
    expect(geminiDialect.unsupported?.(embeddings({ input: [1, 2] }), endpoint)).toBe('input (token ids)');
  });

  it('are returned in the requested format, normalized to length 1 if they are shortened', () => {
    const wire = { embeddings: [{ values: [3, 4] }, { values: [0, 2] }] };
    expect(answer({ input: ['a', 'b'] }, wire)).toEqual({
      object: 'list',
      model: 'm',
      data: [
        { object: 'embedding', index: 0, embedding: [3, 4] },
        { object: 'embedding', index: 1, embedding: [0, 2] },
      ],
      usage: { prompt_tokens: 0, total_tokens: 0 },
    });
    expect(answer({ input: 'a', dimensions: 2 }, wire)).toMatchObject({
      data: [{ embedding: [0.6, 0.8] }, {}],
    });
    const { data } = answer({ input: 'a', encoding_format: 'base64' }, wire) as {
      data: { embedding: unknown }[];
    };
    const bytes = Buffer.from(data[0]?.embedding as string, 'base64');
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([3, 4]);
  });
});
