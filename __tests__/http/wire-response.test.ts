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
