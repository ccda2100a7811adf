import { WireResponse } from '../../lib/http/connection/wire-response';

const CARRIER = { isReused: false, abort: () => undefined, pause: () => undefined, resume: () => undefined };

describe('WireResponse', () => {
  it('delivers what arrives after an empty chunk, which a parser may send when it resumes after a pause', async () => {
    const response = new WireResponse();
    response.onSent(CARRIER);
    response.onHeaders(200, {}, 'OK');
    response.onData(Buffer.alloc(0));
    const next = response.next();
    response.onData(Buffer.alloc(0));
    response.onData(Buffer.from('one'));
    response.onData(Buffer.from(' two'));
    expect((await next).value?.toString()).toBe('one two');
    response.onEnd();
    expect(await response.next()).toEqual({ done: true, value: undefined });
  });

  it('fails at once if its signal has aborted', async () => {
    const response = new WireResponse(AbortSignal.abort());
    await expect(response.opened).rejects.toMatchObject({ code: 'ERR_CANCELED' });
    expect(response.isOver).toBe(true);
  });

  it('waits for the response itself after an interim one', async () => {
    const response = new WireResponse();
    response.onSent(CARRIER);
    response.onHeaders(103, { link: '</x>' }, 'Early Hints');
    response.onHeaders(200, { 'x-app': 'yes' }, 'OK');
    expect(await response.opened).toMatchObject({ status: 200, headers: { 'x-app': 'yes' } });
  });

  it('stays complete, whatever the connection reports afterwards', async () => {
    const response = new WireResponse();
    response.onSent(CARRIER);
    response.onHeaders(200, {}, 'OK');
    response.onEnd();
    response.onError(new Error('too late'));
    response.onHeaders(500, {}, 'too late');
    response.onEnd();
    response.handleEvent();
    expect(response.status).toBe(200);
    expect((await response.next()).done).toBe(true);
  });

  it('fails a pending read when it is destroyed, even if data has just arrived', async () => {
    const response = new WireResponse();
    response.onSent(CARRIER);
    response.onHeaders(200, {}, 'OK');
    const next = response.next();
    response.onData(Buffer.from('one'));
    response.destroy();
    await expect(next).rejects.toMatchObject({ code: 'ERR_CANCELED' });
  });

  it('pauses its connection while more than 64 KiB are unread', async () => {
    const carrier = { ...CARRIER, pause: jest.fn(), resume: jest.fn() };
    const response = new WireResponse();
    response.onSent(carrier);
    response.onHeaders(200, {}, 'OK');
    response.onData(Buffer.alloc(65_536));
    expect(carrier.pause).not.toHaveBeenCalled();
    response.onData(Buffer.alloc(1));
    response.onData(Buffer.alloc(1));
    expect(carrier.pause).toHaveBeenCalledTimes(1);
    expect((await response.next()).value).toHaveLength(65_538);
    expect(carrier.resume).toHaveBeenCalledTimes(1);
  });
});
