import { answer, BODY, chatText, error, json, type Responder, Rig, rejection } from '../failover/upstream';

const rig = new Rig();

/** Serves only requests without `stream_options`. */
function strict(status: number, body: object): Responder {
  return (arrival) => {
    if ('stream_options' in arrival.body) json(arrival, status, body);
    else answer('Hello')(arrival);
  };
}

describe('stream_options.include_usage', () => {
  it.each<[string, number, object]>([
    [
      "OpenAI's unknown argument",
      400,
      {
        error: {
          message: 'Unrecognized request argument supplied: stream_options',
          type: 'invalid_request_error',
        },
      },
    ],
    [
      'a validation error that names the field',
      422,
      {
        detail: [
          { type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted' },
        ],
      },
    ],
    [
      'a field that is not supported',
      400,
      { error: { message: "The parameter 'stream_options' is not supported." } },
    ],
  ])('is left out once a server has refused it: %s', async (_what, status, body) => {
    const { balancer, upstream } = await rig.start({ a: strict(status, body) });
    for (let n = 0; n < 3; n++) expect((await chatText(balancer, true)).text).toBe('Hello');
    expect(upstream.requests.map((request) => 'stream_options' in request.body)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(balancer.stats().endpoints[0]).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
  });

  it('is still sent after an error of the caller if the server has accepted it before', async () => {
    const refusal = error(400, { message: 'messages: too many images, not supported' });
    const { balancer, upstream } = await rig.start({
      a: (arrival) => (upstream.count('a') === 2 ? answer('Hello')(arrival) : refusal(arrival)),
    });
    // The first stream shows that the server takes it.
    await rejection(chatText(balancer, false));
    expect((await chatText(balancer, true)).text).toBe('Hello');
    expect(await rejection(chatText(balancer, true))).toMatchObject({ code: 'ERR_AI_BAD_REQUEST' });
    expect(upstream.requests).toHaveLength(3);
    expect(upstream.requests.at(-1)?.body).toHaveProperty('stream_options.include_usage', true);
  });

  it('is not sent with streamUsage: false, and the usage is estimated', async () => {
    const { balancer, upstream } = await rig.start(
      { a: strict(400, { error: { message: 'bad request' } }) },
      { each: { a: { streamUsage: false } } },
    );
    const stream = await balancer.chat({ ...BODY, stream: true });
    for await (const chunk of stream) expect(chunk.object).toBe('chat.completion.chunk');
    expect(upstream.requests).toHaveLength(1);
    expect(stream.route.usage?.prompt_tokens).toBeGreaterThan(0);
  });
});
