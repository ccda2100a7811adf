import fc from 'fast-check';
import type { ChatBody } from '../../lib/call/body';
import { estimatePromptTokens, outputLimits } from '../../lib/call/tokens';

const ask = (content: unknown, extra: object = {}) =>
  estimatePromptTokens({ messages: [{ role: 'user', content }], ...extra });
const EMPTY = ask('');

/** Texts with their exact token count in o200k, the encoding of GPT-4o and GPT-4.1. */
const TRUE_COUNTS: [string, string, number][] = [
  [
    'English',
    "Hi, I ordered a jacket last Tuesday (order no. 48213) and it still hasn't arrived. Can you tell me where it is, please? Thanks! — Anna\n",
    37,
  ],
  [
    'Korean',
    '안녕하세요. 지난주에 주문한 상품이 아직 도착하지 않았습니다. 배송 상태를 확인해 주시겠어요? 환불 절차도 알려 주시면 감사하겠습니다. 이번 할인 행사에서 쿠폰을 사용할 수 있나요?',
    51,
  ],
  [
    'Japanese',
    '先週注文した商品がまだ届いていません。配送状況を確認していただけますか？返金の手続きについても教えてください。今回のセールでクーポンは使えますか？データベースの設定を変更しました。',
    59,
  ],
  [
    'Chinese',
    '上周订购的商品还没有到货，请帮我查询一下物流状态。如果可以的话，也请告诉我退款流程。这次促销活动可以使用优惠券吗？系统正在处理您的请求，请稍候。',
    46,
  ],
  [
    'Russian',
    'Здравствуйте! На прошлой неделе я заказал куртку, но она до сих пор не пришла. Подскажите, пожалуйста, где мой заказ? ',
    34,
  ],
  ['Arabic', 'مرحبا، لقد طلبت سترة الأسبوع الماضي ولم تصل بعد. هل يمكنك إخباري بمكان طلبي من فضلك؟ ', 28],
  [
    'Python',
    'def train(model, loader, optimizer):\n    for batch_idx, (data, target) in enumerate(loader):\n        optimizer.zero_grad()\n        output = model(data)\n        loss = F.nll_loss(output, target)\n        loss.backward()\n        optimizer.step()\n        if batch_idx % 10 == 0:\n            print(f"Loss: {loss.item():.6f}")\n',
    77,
  ],
];

describe('estimatePromptTokens', () => {
  it.each(TRUE_COUNTS)('slightly overestimates %s', (_, text, count) => {
    const estimate = ask(text) - EMPTY;
    expect(estimate).toBeGreaterThanOrEqual(count);
    expect(estimate).toBeLessThanOrEqual(count * 1.8);
  });

  it('is nearly proportional for long texts, which are sampled', () => {
    for (const [, text] of TRUE_COUNTS) {
      const short = ask(text.repeat(8)) - EMPTY;
      const long = ask(text.repeat(800)) - EMPTY;
      expect(long / short).toBeGreaterThan(90);
      expect(long / short).toBeLessThan(120);
    }
  });

  it('counts keys and hashes, which have more tokens than words', () => {
    const hash = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
    expect(ask(hash) - EMPTY).toBeGreaterThanOrEqual(35);
  });

  it('counts earlier messages, names, tool calls, tools and the response schema', () => {
    const text = 'Where is my order?';
    const once = ask(text);
    const twice = estimatePromptTokens({
      messages: [
        { role: 'user', content: text },
        { role: 'user', content: text },
      ],
    });
    expect(twice).toBeGreaterThan(once + 5);
    const named = { role: 'user', content: text, name: 'anna' };
    expect(estimatePromptTokens({ messages: [named] })).toBeGreaterThan(once);
    const call = { id: 'c1', type: 'function', function: { name: 'find_order', arguments: '{"id":48213}' } };
    const withCall = { role: 'assistant', content: null, tool_calls: [call] };
    expect(estimatePromptTokens({ messages: [withCall] })).toBeGreaterThan(EMPTY + 15);
    const schema = { type: 'object', properties: { orderNumber: { type: 'string' } } };
    const tools = [{ type: 'function', function: { name: 'find_order', parameters: schema } }];
    expect(ask(text, { tools })).toBeGreaterThan(once + 20);
    const response_format = { type: 'json_schema', json_schema: { name: 'order', schema } };
    expect(ask(text, { response_format })).toBeGreaterThan(once + 10);
  });

  it('counts images by detail and audio by duration, not by their base64 text', () => {
    const url = `data:image/png;base64,${'A'.repeat(200_000)}`;
    const image = (detail?: string) => ask([{ type: 'image_url', image_url: { url, detail } }]) - EMPTY;
    expect(image('low')).toBe(85);
    expect(image('high')).toBe(765);
    expect(image()).toBe(765);
    const tenSeconds = 'A'.repeat((48_000 * 10 * 4) / 3);
    expect(ask([{ type: 'input_audio', input_audio: { format: 'wav', data: tenSeconds } }]) - EMPTY).toBe(
      100,
    );
    expect(ask([{ type: 'file', file: { file_id: 'f1' } }]) - EMPTY).toBe(1500);
  });

  it('counts audio of other formats as compressed speech, and files by their size', () => {
    const part = (type: string, value: unknown) => ask([{ type, [type]: value }]) - EMPTY;
    const tenSeconds = 'A'.repeat((4_000 * 10 * 4) / 3);
    expect(part('input_audio', { format: 'mp3', data: tenSeconds })).toBe(100);
    expect(part('input_audio', 'broken')).toBe(0);
    expect(part('file', { file_data: 'A'.repeat(400_000) })).toBe(15_000);
    expect(part('file', 'broken')).toBe(1500);
  });

  it('counts refusals in earlier messages', () => {
    const text = 'I cannot help with that.';
    expect(ask([{ type: 'refusal', refusal: text }])).toBe(ask([{ type: 'text', text }]));
  });

  it('counts one token per non-ASCII character of the texts after the first 32,768 characters', () => {
    const long = Array.from({ length: 8 }, () => ({ role: 'user', content: 'x'.repeat(5000) }));
    const withLast = (content: string) =>
      estimatePromptTokens({ messages: [...long, { role: 'user', content }] });
    const before = withLast('');
    expect(withLast('가'.repeat(60)) - before).toBe(60);
    expect(withLast('x'.repeat(60)) - before).toBe(20);
  });

  it('counts every form of an embeddings input', () => {
    const model = 'text-embedding-3-small';
    const one = estimatePromptTokens({ model, input: 'a red jacket' });
    expect(one).toBeGreaterThanOrEqual(3);
    expect(estimatePromptTokens({ model, input: ['a red jacket', 'a red jacket'] })).toBeGreaterThanOrEqual(
      2 * one - 1,
    );
    expect(estimatePromptTokens({ model, input: [1, 2, 3] })).toBe(3);
    expect(estimatePromptTokens({ model, input: [[1, 2, 3], [4]] })).toBe(4);
  });

  it('returns an integer of at least 1 for any body', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (content, tools, role) => {
        const chat = { messages: [{ role, content }, content], tools, response_format: tools };
        for (const body of [chat, { input: content, model: 'm' }]) {
          const tokens = estimatePromptTokens(body as unknown as ChatBody);
          expect(Number.isSafeInteger(tokens)).toBe(true);
          expect(tokens).toBeGreaterThanOrEqual(1);
        }
      }),
    );
  });

  it('never decreases when text is added, as long as nothing is sampled', () => {
    fc.assert(
      fc.property(fc.array(fc.lorem(), { maxLength: 5 }), fc.lorem(), (texts, more) => {
        const messages = texts.map((content) => ({ role: 'user', content }));
        const longer = [...messages, { role: 'user', content: more }];
        expect(estimatePromptTokens({ messages: longer })).toBeGreaterThan(
          estimatePromptTokens({ messages }),
        );
      }),
    );
  });

  it.each(['a', '1', ' ', '\n', '.', 'A1', 'a,', '中', '가', 'ж', '😀', '👨‍👩‍👧‍👦', '\ud800'])(
    'takes bounded time, less than 2 s, for 100,000 repetitions and for a megabyte of %j',
    (text) => {
      for (const times of [100_000, Math.ceil(1_000_000 / text.length)]) {
        const content = text.repeat(times);
        ask(content);
        const start = performance.now();
        const tokens = ask(content);
        expect(performance.now() - start).toBeLessThan(2_000);
        expect(tokens).toBeGreaterThanOrEqual(content.length / 16);
        expect(tokens).toBeLessThan(content.length * 2);
      }
    },
  );

  it('takes bounded time for very many messages', () => {
    const messages = Array.from({ length: 10_000 }, () => ({ role: 'user', content: TRUE_COUNTS[0]![1] }));
    estimatePromptTokens({ messages });
    const start = process.cpuUsage().user;
    expect(estimatePromptTokens({ messages })).toBeGreaterThan(10_000 * 37);
    expect(process.cpuUsage().user - start).toBeLessThan(2_000_000);
  });
});

describe('outputLimits', () => {
  const limits = (extra: object) => outputLimits({ messages: [], ...extra });

  it('multiplies the limit per choice by the number of choices', () => {
    expect(limits({})).toEqual({});
    expect(limits({ max_tokens: 100 })).toEqual({ maxOutput: 100 });
    expect(limits({ max_tokens: 100, max_completion_tokens: 50 })).toEqual({ maxOutput: 50 });
    expect(limits({ max_tokens: 100, n: 3 })).toEqual({ maxOutput: 300 });
    expect(limits({ max_tokens: null, n: null })).toEqual({});
    expect(limits({ max_tokens: Number.NaN })).toEqual({});
  });

  it('is 0 for embeddings', () => {
    expect(outputLimits({ model: 'm', input: 'x' })).toEqual({ maxOutput: 0 });
  });
});
