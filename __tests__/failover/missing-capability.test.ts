import { answer, BODY, chatText, error, json, type Responder, Rig, rejection, statsOf } from './upstream';

const rig = new Rig();

// llama-server answers so, https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server-common.cpp
const NO_IMAGES = error(500, {
  message: 'image input is not supported - hint: if this is unexpected, you may need to provide the mmproj',
  type: 'server_error',
  code: 500,
});
const NO_EMBEDDINGS = error(501, {
  message: 'This server does not support embeddings. Start it with `--embeddings`',
  type: 'not_supported_error',
  code: 501,
});

const IMAGE = {
  model: 'm',
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'text' as const, text: 'What is this?' },
        { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
      ],
    },
  ],
};
const INPUT = { model: 'm', input: 'parcel' };

/** A text model on llama-server. */
const textModel: Responder = (arrival) => {
  if (arrival.body['input'] !== undefined) NO_EMBEDDINGS(arrival);
  else (JSON.stringify(arrival.body).includes('image_url') ? NO_IMAGES : answer('text'))(arrival);
};

const everything: Responder = (arrival) => {
  if (arrival.body['input'] === undefined) answer('seen')(arrival);
  else {
    const data = [{ object: 'embedding', index: 0, embedding: [0.5] }];
    json(arrival, 200, { object: 'list', model: 'm', data, usage: { prompt_tokens: 2, total_tokens: 2 } });
  }
};

const ALL = { capabilities: ['chat', 'streaming', 'vision', 'embeddings'] };

describe('A request for something that an endpoint does not support', () => {
  it.each([
    ['an image', IMAGE, 500],
    ['embeddings', INPUT, 501],
  ])('goes to another endpoint: %s', async (_what, body, status) => {
    const { balancer, upstream } = await rig.start(
      { text: textModel, all: everything },
      { each: { text: ALL, all: ALL } },
    );
    const call = 'input' in body ? balancer.embeddings(body) : balancer.chat(body);
    const { route } = await call.withRoute();
    expect(route.attempts).toMatchObject([
      { endpoint: 'text', class: 'not_served', status },
      { endpoint: 'all' },
    ]);
    expect(upstream.count('text')).toBe(1);
    expect(statsOf(balancer, 'text')).toMatchObject({ state: 'closed', failures: 0 });
  });

  it.each([
    ['an image', IMAGE, 'image input is not supported'],
    ['embeddings', INPUT, 'does not support embeddings'],
  ])(
    'is refused as the caller’s error after one attempt if there is no other endpoint: %s',
    async (_what, body, message) => {
      const { balancer, upstream } = await rig.start({ text: textModel }, { each: { text: ALL } });
      const call = 'input' in body ? balancer.embeddings(body) : balancer.chat(body);
      expect(await rejection(call)).toMatchObject({
        code: 'ERR_AI_BAD_REQUEST',
        status: 400,
        retryable: false,
        message: expect.stringContaining(message) as string,
        attempts: [{ endpoint: 'text', class: 'not_served' }],
      });
      expect(upstream.requests).toHaveLength(1);
    },
  );

  it.each([
    ['the same request', (_n: number) => IMAGE],
    ['new requests', (n: number) => ({ ...IMAGE, max_tokens: 10 + n })],
  ])(
    'leaves the endpoint available for other requests, however often it is sent: %s',
    async (_what, bodyOf) => {
      const { balancer } = await rig.start({ text: textModel }, { each: { text: ALL } });
      for (let n = 0; n < 15; n++) {
        await rejection(balancer.chat(bodyOf(n)));
        expect(statsOf(balancer, 'text')).toMatchObject({ state: 'closed', failures: 0 });
      }
      expect((await chatText(balancer, false)).text).toBe('text');
      expect((await balancer.chat(BODY).withRoute()).route.waitMs).toBe(0);
    },
  );
});
