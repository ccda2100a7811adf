import { inputItems, toChat } from '../../lib/responses/to-chat';

const translate = (input: unknown, more: object = {}) => {
  const body = { model: 'gpt-4o', input, ...more } as Parameters<typeof toChat>[0];
  return toChat(body, inputItems(body.input));
};
const asked = (...content: readonly object[]) => [{ role: 'user', content }];
const answered = (...content: readonly object[]) => [{ role: 'assistant', content }];
const FILE = 'data:application/pdf;base64,AAAA';

describe('The translation of the items of a Responses request to chat messages', () => {
  it.each<[string, readonly unknown[], readonly object[]]>([
    [
      'an answer that is a text',
      [{ role: 'assistant', content: 'Hi' }],
      [{ role: 'assistant', content: 'Hi' }],
    ],
    [
      'an answer of several texts as one text',
      answered(
        { type: 'output_text', text: 'a' },
        { type: 'text', text: 'b' },
        { type: 'input_text', text: 'c' },
      ),
      [{ role: 'assistant', content: 'abc' }],
    ],
    [
      'a refusal',
      answered({ type: 'refusal', refusal: 'I can' }, { type: 'refusal', refusal: 'not.' }),
      [{ role: 'assistant', content: '', refusal: 'I cannot.' }],
    ],
    [
      'a function call without a message before it',
      [{ type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }],
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
      ],
    ],
    [
      'a function call after an empty message, and without arguments',
      [...answered(), { type: 'function_call', call_id: 'c', name: 'f' }],
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '' } }],
        },
      ],
    ],
    ...(
      [
        ['no result', undefined, ''],
        ['the result null', null, ''],
        ['a result that is an object', { ok: true }, '{"ok":true}'],
        [
          'a result of several parts',
          [
            { type: 'input_text', text: 'a' },
            { type: 'output_text', text: 'b' },
          ],
          [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        ],
      ] as const
    ).map(([name, output, content]): [string, readonly unknown[], readonly object[]] => [
      `${name} of a function`,
      [{ type: 'function_call_output', call_id: 'c', output }],
      [{ role: 'tool', tool_call_id: 'c', content }],
    ]),
    [
      'an image with its detail, and one without',
      asked(
        { type: 'input_image', image_url: 'https://x/a.png', detail: 'low' },
        { type: 'input_image', image_url: 'https://x/b.png' },
      ),
      asked(
        { type: 'image_url', image_url: { url: 'https://x/a.png', detail: 'low' } },
        { type: 'image_url', image_url: { url: 'https://x/b.png' } },
      ),
    ],
    [
      'a file with its name, and one without',
      asked(
        { type: 'input_file', file_data: FILE, filename: 'a.pdf' },
        { type: 'input_file', file_data: FILE },
      ),
      asked(
        { type: 'file', file: { filename: 'a.pdf', file_data: FILE } },
        { type: 'file', file: { filename: 'file', file_data: FILE } },
      ),
    ],
    [
      'a recording',
      asked({ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }),
      asked({ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }),
    ],
    ['a text without its text', asked({ type: 'input_text' }), [{ role: 'user', content: '' }]],
  ])('keeps %s', (_name, input, messages) => {
    const { body, nativeOnly } = translate(input);
    expect(nativeOnly).toBeUndefined();
    expect(body.messages).toEqual(messages);
  });

  it.each<[string, readonly unknown[], string]>([
    ['an item of an unknown type', [{ type: 'computer_call' }], 'input[0].type'],
    ['an answer with a part of an unknown type', answered({ type: 'chart' }), 'input[0].content'],
    ['an image that only the provider has', asked({ type: 'input_image', file_id: 'f' }), 'input[0].content'],
    ['a file that only the provider has', asked({ type: 'input_file', file_id: 'f' }), 'input[0].content'],
    ['a part of an unknown type', asked({ type: 'chart' }), 'input[0].content'],
    [
      'a result of a function with a part of an unknown type',
      [{ type: 'function_call_output', call_id: 'c', output: [{ type: 'chart' }] }],
      'input[0].output',
    ],
  ])('says that only a Responses API understands %s', (_name, input, field) => {
    const { body, nativeOnly } = translate(input);
    expect(nativeOnly).toBe(field);
    // For the estimate of its tokens.
    expect(body.messages).toEqual([{ role: 'user', content: JSON.stringify(input) }]);
  });

  it('makes no message of an input that is missing, beside the instructions', () => {
    expect(translate(undefined).body.messages).toEqual([]);
    expect(translate(undefined, { instructions: 'Be kind.' }).body.messages).toEqual([
      { role: 'system', content: 'Be kind.' },
    ]);
  });

  it.each<[string, unknown, object, string | undefined]>([
    ['a mode', 'required', { tool_choice: 'required' }, undefined],
    [
      'allowed tools without a mode, some of them invalid',
      { type: 'allowed_tools', tools: ['a', { name: 'b' }] },
      { tool_choice: 'auto', tools: [{ type: 'function', function: { name: 'b' } }] },
      undefined,
    ],
    ['allowed tools that are no list', { type: 'allowed_tools', tools: 'b' }, {}, 'tool_choice'],
    ['a tool of the provider', { type: 'web_search' }, {}, 'tool_choice'],
    ['null', null, {}, undefined],
  ])('translates a tool choice that is %s', (_name, tool_choice, expected, field) => {
    const tools = ['a', 'b'].map((name) => ({ type: 'function', name }));
    const { body, nativeOnly } = translate('Hi', { tools, tool_choice });
    expect(nativeOnly).toBe(field);
    expect(body).toMatchObject(expected);
  });
});
