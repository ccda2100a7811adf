import { gzipSync } from 'node:zlib';
import express from 'express';
import { BODY, GatewayRig, send, sendChat } from './fixtures/gateway';

const rig = new GatewayRig();
const SMALL = { gateway: { maxBodyBytes: 500 } };
const LARGE = { ...BODY, user: 'x'.repeat(500) };

describe('A request body at the gateway', () => {
  it("is accepted up to maxBodyBytes, even if it is larger than Express's default limit", async () => {
    const { url } = await rig.open();
    expect((await sendChat(url, { ...BODY, user: 'x'.repeat(200_000) })).status).toBe(200);
    const small = await rig.open(SMALL);
    const fits = JSON.stringify(BODY).padEnd(500);
    expect((await sendChat(small.url, fits)).status).toBe(200);
    expect(await sendChat(small.url, `${fits} `)).toMatchObject({
      status: 413,
      json: {
        error: { message: 'body: larger than 500 bytes', type: 'invalid_request_error', param: 'body' },
      },
    });
    expect(small.provider.requests).toHaveLength(1);
  });

  it('is limited by its size after decompression', async () => {
    const { url } = await rig.open(SMALL);
    const packed = (body: unknown) =>
      send(`${url}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body: gzipSync(JSON.stringify(body)),
      });
    expect((await packed(BODY)).status).toBe(200);
    expect((await packed(LARGE)).status).toBe(413);
  });

  it('that is invalid gets an OpenAI-shaped error that does not quote it', async () => {
    const { url } = await rig.open();
    const broken = await sendChat(url, '{"messages": secret prompt');
    expect(broken).toMatchObject({ status: 400, json: { error: { message: 'body: not valid JSON' } } });
    expect(broken.text).not.toContain('secret');
    for (const body of ['[]', '""', 'null']) {
      expect(await sendChat(url, body)).toMatchObject({
        status: 400,
        json: { error: { type: 'invalid_request_error', param: 'body' } },
      });
    }
    expect((await sendChat(url, '')).json?.error).toMatchObject({ param: 'messages' });
    expect(await sendChat(url, BODY, { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
    expect((await sendChat(url, BODY, { 'content-type': 'application/json; charset=x-odd' })).status).toBe(
      415,
    );
    expect((await sendChat(url, { ...BODY, stream: 'yes' })).json?.error).toMatchObject({ param: 'stream' });
  });

  it.each([
    ['express.json()', () => express.json()],
    ['express.text()', () => express.text({ type: '*/*' })],
    ['express.raw()', () => express.raw({ type: '*/*' })],
  ])('that %s has already read is used as it is', async (_, parser) => {
    const { url, client } = await rig.open({ before: () => [parser()] });
    const { choices } = await client.chat.completions.create(BODY);
    expect(choices[0]?.message.content).toBe('It left our house this morning.');
    expect((await sendChat(url, { ...BODY, stream: true })).text).toMatch(/\[DONE\]\n\n$/);
  });

  it.each([
    ['express.json()', () => express.json({ limit: '1mb' })],
    ['express.text()', () => express.text({ type: '*/*', limit: '1mb' })],
    ['express.raw()', () => express.raw({ type: '*/*', limit: '1mb' })],
  ])('that %s has already read is still limited to maxBodyBytes', async (_, parser) => {
    const { url, provider } = await rig.open({ ...SMALL, before: () => [parser()] });
    expect((await sendChat(url, LARGE)).status).toBe(413);
    const packed = await send(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync(JSON.stringify(LARGE)),
    });
    // A parsed body has no size; the limit of its parser holds.
    expect(packed.status).toBe(_ === 'express.json()' ? 200 : 413);
    expect(provider.requests).toHaveLength(_ === 'express.json()' ? 1 : 0);
  });

  it('that was already read as text is refused if it is not JSON', async () => {
    const { url } = await rig.open({ before: () => [express.text({ type: '*/*' })] });
    expect((await sendChat(url, '{')).json?.error).toMatchObject({ message: 'body: not valid JSON' });
  });
});
