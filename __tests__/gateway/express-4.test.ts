import { json } from 'express';
import { apiErrorOf, BODY, GatewayRig, send, sendChat } from './fixtures/gateway';

// The gateway uses the router and the body parser of the app's Express.
jest.mock('express', () => jest.requireActual<object>('express4'));

const rig = new GatewayRig();

describe('The gateway with only Express 4 installed', () => {
  it('answers whole and streamed, whether it or the app reads the body', async () => {
    for (const before of [undefined, () => [json()]]) {
      const { client } = await rig.open({ before });
      const whole = await client.chat.completions.create(BODY);
      const streamed = await client.chat.completions.stream(BODY).finalChatCompletion();
      for (const { choices } of [whole, streamed]) {
        expect(choices[0]?.message.content).toBe('It left our house this morning.');
      }
    }
  });

  it('responds with OpenAI-shaped errors, and with 500 if authenticate() rejects with an Error', async () => {
    const { client, url } = await rig.open({ gateway: { maxBodyBytes: 200 } });
    expect((await apiErrorOf(client.chat.completions.create({ ...BODY, model: 'gpt-9' }))).status).toBe(404);
    expect((await sendChat(url, '{')).status).toBe(400);
    expect((await sendChat(url, { ...BODY, user: 'x'.repeat(200) })).status).toBe(413);
    expect((await send(`${url}/nothing`)).status).toBe(404);
    const late = await rig.open({
      gateway: { authenticate: () => Promise.reject(new Error('the store is down')) },
    });
    expect((await send(`${late.url}/models`)).status).toBe(500);
  });
});
