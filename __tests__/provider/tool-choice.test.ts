import { ANTHROPIC_SUPPORT } from '../../lib/provider/anthropic/support';
import { CHAT_FEATURES, droppedFeatures } from '../../lib/provider/translation/features';
import { mimeTypeOfUrl, readMedia } from '../../lib/provider/translation/media';
import { allowedTools, functionName, toolMode } from '../../lib/provider/translation/tool-choice';
import { ask, CLOCK_TOOL, TOOLS, WEATHER_TOOL } from './fixtures/conversation';

describe('The translation of tool_choice', () => {
  const clock = { type: 'function', function: { name: 'get_time' } };

  it.each<[string, unknown, readonly object[], string | undefined]>([
    ['all tools without a choice', undefined, TOOLS, undefined],
    ['all tools with a mode', 'required', TOOLS, 'required'],
    ['all tools with the choice of one', clock, TOOLS, undefined],
    [
      'the allowed tools, in the form of chat completions',
      { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [clock] } },
      [CLOCK_TOOL],
      'required',
    ],
    [
      'the allowed tools, in the form of the Responses API',
      { type: 'allowed_tools', mode: 'none', tools: [{ type: 'function', name: 'get_weather' }] },
      [WEATHER_TOOL],
      'none',
    ],
    ['no tools if the list of allowed tools is missing', { type: 'allowed_tools' }, [], 'auto'],
    ['no tools for names that are none', { type: 'allowed_tools', tools: ['get_time', 7] }, [], 'auto'],
  ])('offers %s', (_name, choice, tools, mode) => {
    expect(allowedTools(TOOLS, choice)).toEqual(tools);
    expect(toolMode(choice)).toBe(mode);
  });

  it('knows no tools of a list that is missing, and no name of a tool that is none', () => {
    expect(allowedTools(undefined, undefined)).toEqual([]);
    expect(functionName('get_time')).toBe('');
  });
});

describe('The features of a chat call', () => {
  const find = (feature: keyof typeof CHAT_FEATURES, body: object) =>
    CHAT_FEATURES[feature](body as Readonly<Record<string, unknown>>);
  const message = (fields: unknown) => ({ messages: ['text', fields] });

  it.each<[string, keyof typeof CHAT_FEATURES, object, string | undefined]>([
    ['audio output by its options', 'audio output', { audio: { voice: 'a' } }, 'audio'],
    ['audio in an earlier answer', 'audio output', message({ audio: { id: 'a' } }), 'messages[1].audio'],
    [
      'no audio if there is only text',
      'audio output',
      { ...message({ content: 'Hi' }), modalities: ['text'] },
      undefined,
    ],
    ['the older field for the length', 'max_completion_tokens', { max_tokens: 5 }, 'max_tokens'],
    ['the cache of a tool', 'cache_control', { tools: [{ cache_control: {} }] }, 'tools[0]'],
    ['the cache of a message', 'cache_control', message({ cache_control: {} }), 'messages[1].cache_control'],
    [
      'the cache of a part',
      'cache_control',
      message({ content: [{ cache_control: {} }] }),
      'messages[1].content[0]',
    ],
    [
      'how long a prompt is cached',
      'prompt_cache_key',
      { prompt_cache_retention: '24h' },
      'prompt_cache_retention',
    ],
    ['the older field for functions', 'functions', { function_call: 'auto' }, 'function_call'],
    ['a result of a function', 'functions', message({ role: 'function' }), 'messages[1].function_call'],
    ['the most likely tokens', 'logprobs', { top_logprobs: 2 }, 'top_logprobs'],
  ])('are found in a body: %s', (_name, feature, body, place) => {
    expect(find(feature, body)).toBe(place);
  });

  it('include fields that nobody knows, unless they belong to the provider or are empty', () => {
    const call = ask({ top_k: 5, thinking: {}, empty: [], none: null });
    expect(droppedFeatures(call, ANTHROPIC_SUPPORT)).toEqual(['top_k', 'thinking']);
    expect(droppedFeatures(call, ANTHROPIC_SUPPORT, ['top_k'])).toEqual(['thinking']);
  });
});

describe('Images and files in a request', () => {
  it.each<[string, object]>([
    ['https://x/a.png', { kind: 'url', url: 'https://x/a.png' }],
    ['data:nothing', { kind: 'url', url: 'data:nothing' }],
    ['data:image/JPG;base64,AAAA', { kind: 'data', mimeType: 'image/jpeg', base64: 'AAAA' }],
    ['data:,a%20b', { kind: 'data', mimeType: 'text/plain', base64: Buffer.from('a b').toString('base64') }],
    [
      'data:text/csv,100%',
      { kind: 'data', mimeType: 'text/csv', base64: Buffer.from('100%').toString('base64') },
    ],
  ])('are read from the URL %s', (url, media) => {
    expect(readMedia(url)).toEqual(media);
  });

  it.each([
    ['https://x/a.PDF?b=c.png', 'application/pdf'],
    ['https://x/a.constructor', 'image/png'],
    ['https://x/a', 'image/png'],
    ['no URL.jpg', 'image/png'],
  ])('have the type that the path of their URL suggests: %s', (url, type) => {
    expect(mimeTypeOfUrl(url, 'image/png')).toBe(type);
  });
});
