import type { ChatBody } from '../../lib/call/body';
import { classify } from '../../lib/routing/classify';

const ask = (content: unknown, extra: Partial<ChatBody> = {}) =>
  classify({ messages: [{ role: 'user', content }], ...extra });

describe('classify', () => {
  it.each([[[]], [null], [[{ type: 'image_url' }]]])(
    'ignores the system prompt %j, which has no text',
    (content) => {
      const messages = [
        { role: 'system', content },
        { role: 'user', content: 'Thanks, that was very helpful!' },
      ];
      expect(classify({ messages })).toBe('chat');
    },
  );

  it('returns embedding for a body with an input', () => {
    expect(classify({ model: 'text-embedding-3-small', input: 'def f(): summarise' })).toBe('embedding');
  });

  it.each([
    'Why does this fail?\n```\nfoo(1)\n```',
    'Write a Python function that sorts orders by date.',
    'Can you refactor this for readability?',
    'I get TypeError: undefined is not a function on the checkout page',
    'SELECT id, total FROM orders WHERE total > 100 -- why is it slow?',
    'def total(items):\n    return sum(items)\n\nmake it faster',
    'Traceback (most recent call last):\n  File "a.py"',
    'Explain this code to me',
    'How do I write a unit test for a React component?',
    'Fix the following bash script',
    'Give me a program that counts words in Rust',
    '이 코드를 설명해 주세요',
    '파이썬으로 정렬 함수를 작성해줘',
    '디버깅을 도와주세요',
    '请帮我写一个排序函数',
    '这段代码有什么问题？',
    '請幫我除錯這個程式',
    'この関数をリファクタリングしてください',
    'Pythonのコードを書いてください',
  ])('returns code for: %s', (text) => {
    expect(ask(text)).toBe('code');
  });

  it.each([
    'Please summarise the attached meeting notes.',
    'Summarize this article in three bullet points',
    'Compare the two insurance plans for me',
    'What are the pros and cons of leasing?',
    "Give me an analysis of last quarter's returns",
    '이 보고서를 요약해 주세요',
    '두 요금제를 비교해 주세요',
    '지난 분기 매출을 분석해줘',
    '请总结一下这份报告',
    '对比这两个方案的优缺点',
    '请分析客户反馈',
    '請比較這兩個方案',
    'この記事を要約してください',
    '二つのプランを比較してください',
    '売上データを分析して',
  ])('returns analysis for: %s', (text) => {
    expect(ask(text)).toBe('analysis');
  });

  it.each([
    'Where is my order?',
    'How will customers react to our loyalty program?',
    'My coupon code does not work at the checkout',
    'What is the postal code of Busan, and which discount codes are valid?',
    'Tell me a joke about the sea',
    'Do you have this table in oak? My class starts on Monday.',
    'Let me know when the jacket is back in stock',
    '주문한 상품이 언제 도착하나요?',
    '쿠폰 코드가 적용되지 않아요',
    '할인코드 어디에 입력하나요?',
    '我的包裹到哪里了？',
    '优惠代码无法使用',
    '注文した商品はいつ届きますか？',
    'クーポンコードが使えません',
    'QRコードを読み取れません',
    '',
  ])('returns chat for: %s', (text) => {
    expect(ask(text)).toBe('chat');
  });

  it('returns analysis for a long document without keywords, from a shorter length in CJK scripts', () => {
    expect(ask('The ship left the harbour at dawn. '.repeat(300))).toBe('analysis');
    expect(ask('배는 새벽에 항구를 떠났다. '.repeat(200))).toBe('analysis');
    expect(ask('The ship left the harbour at dawn. '.repeat(80))).toBe('chat');
  });

  it('finds the instruction before or after a long document', () => {
    const document = 'The ship left the harbour at dawn. '.repeat(300);
    expect(ask(`${document}\nWrite a Python script that counts the ships.`)).toBe('code');
    expect(ask(`Refactor:\n${document}`)).toBe('code');
  });

  it('considers coding tools and the purpose stated in the system message', () => {
    const tool = (name: string) => ({ tools: [{ type: 'function', function: { name } }] });
    expect(ask('go on', tool('run_code'))).toBe('code');
    expect(ask('go on', tool('apply_patch'))).toBe('code');
    expect(ask('go on', tool('get_weather'))).toBe('chat');
    const system = { role: 'system', content: 'You are a coding assistant.' };
    expect(classify({ messages: [system, { role: 'user', content: 'go on' }] })).toBe('code');
    expect(classify({ messages: [system, { role: 'user', content: 'summarise that' }] })).toBe('analysis');
  });

  it('considers only the last user message, as a string or as content parts', () => {
    expect(
      classify({
        messages: [
          { role: 'user', content: 'Write a Python function' },
          { role: 'assistant', content: '```python\npass\n```' },
          { role: 'user', content: 'Thank you! And what is the weather like?' },
        ],
      }),
    ).toBe('chat');
    expect(ask([{ type: 'image_url' }, { type: 'text', text: 'Summarise this picture' }])).toBe('analysis');
  });

  it.each([
    [[null]],
    [[{ role: 'user', content: 7 }]],
    [[{ role: 'user', content: [null, 'x', { text: 5 }] }]],
    [[]],
  ])('returns chat for malformed messages: %j', (messages) => {
    expect(classify({ messages, tools: [null, { function: null }] } as unknown as ChatBody)).toBe('chat');
  });

  it.each([
    'a',
    ' ',
    'code ',
    'SELECT ',
    'python ',
    '中',
    '😀',
    '`',
    'at x (',
    'write a a ',
    '\n    ',
    'class ',
  ])('takes time in proportion to the length: less than 2 s for a megabyte of %j', (text) => {
    const content = text.repeat(1_000_000 / text.length);
    ask(content);
    const start = performance.now();
    ask(content);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});
