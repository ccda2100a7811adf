import { FetchEvents, jsonResponse } from '../../lib/api/fetch-events';

function open(signal?: AbortSignal) {
  const responses: Response[] = [];
  const events = new FetchEvents(new Headers({ 'x-request-id': 'r' }), signal, (response) =>
    responses.push(response),
  );
  return { events, responses };
}

describe('The body of a streamed Response of createFetch()', () => {
  it('contains the events in their order, and the headers are sent once', async () => {
    const { events, responses } = open();
    expect(events.headersSent).toBe(false);
    expect(events.write('before the headers')).toBeUndefined();
    events.open({ 'x-ai-endpoint': 'main' });
    events.open({ 'x-ai-endpoint': 'other' });
    events.sendJson(500, {}, {});
    expect(events.headersSent).toBe(true);
    void events.write('data: 1\n\n');
    void events.write(Buffer.from('data: 2\n\n'));
    events.end('data: [DONE]\n\n');
    events.end('data: too late\n\n');
    expect(responses).toHaveLength(1);
    const [response] = responses as [Response];
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-request-id': 'r',
      'x-ai-endpoint': 'main',
    });
    expect(await response.text()).toBe('data: 1\n\ndata: 2\n\ndata: [DONE]\n\n');
  });

  it('may end without a last event', async () => {
    const { events, responses } = open();
    events.open({});
    void events.write('data: 1\n\n');
    events.end();
    expect(await responses[0]?.text()).toBe('data: 1\n\n');
    expect(events.isClosed).toBe(true);
  });

  it('fails if the connection is destroyed, and callbacks for its end are called once, late ones too', async () => {
    const { events, responses } = open();
    const onClosed = jest.fn();
    events.onceClosed(onClosed);
    events.open({});
    events.destroy();
    events.destroy();
    expect(onClosed).toHaveBeenCalledTimes(1);
    events.onceClosed(onClosed);
    expect(onClosed).toHaveBeenCalledTimes(2);
    await expect(responses[0]?.text()).rejects.toThrow('terminated');
  });

  it('makes a writer wait while the reader is more than 16 KiB behind', async () => {
    const { events, responses } = open();
    events.open({});
    const waiting = events.write('x'.repeat(20_000));
    expect(waiting).toBeInstanceOf(Promise);
    const reader = responses[0]!.body!.getReader();
    await reader.read();
    await waiting;
    await reader.cancel();
    expect(events.isClosed).toBe(true);
  });

  it('is never opened if the request was aborted before', () => {
    const { events, responses } = open(AbortSignal.abort());
    expect(events.isClosed).toBe(true);
    events.open({});
    expect(responses).toEqual([]);
  });

  it('is not opened after an answer that is JSON', async () => {
    const { events, responses } = open();
    events.sendJson(429, { 'retry-after': '1' }, { error: {} });
    events.open({});
    expect(responses).toHaveLength(1);
    expect(responses[0]?.status).toBe(429);
    expect(await responses[0]?.json()).toEqual({ error: {} });
  });
});

it('jsonResponse() sets the content type', () => {
  expect(jsonResponse(200, new Headers(), {}).headers.get('content-type')).toBe(
    'application/json; charset=utf-8',
  );
});
