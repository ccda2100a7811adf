import { setImmediate as realImmediate } from 'node:timers';
import type * as Simulator from 'express-ai-balancer/simulator';
import { type SimulatedProvider, startProvider } from 'express-ai-balancer/simulator';

let provider: SimulatedProvider;

afterEach(async () => {
  jest.useRealTimers();
  await provider.close();
});

async function expectAnswer(stream: boolean): Promise<void> {
  const response = await fetch(`${provider.url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], stream }),
  });
  expect(response.status).toBe(200);
  expect(await response.text()).toContain(stream ? '[DONE]' : 'chat.completion');
}

describe.each([[false], [true]])("under jest's fake timers (stream: %s), a simulated provider", (stream) => {
  it('answers if it was started before the timers were installed', async () => {
    provider = await startProvider({ timeScale: 0.01, errorShare: 0 });
    jest.useFakeTimers();
    await expectAnswer(stream);
  });

  it('answers if it is started while the timers are installed', async () => {
    jest.useFakeTimers();
    provider = await startProvider({ timeScale: 0.01, errorShare: 0 });
    await expectAnswer(stream);
  });

  it('answers if its module is loaded while the timers are installed, as with `enableGlobally`', async () => {
    jest.useFakeTimers();
    let simulator: typeof Simulator | undefined;
    jest.isolateModules(() => {
      simulator = jest.requireActual<typeof Simulator>('express-ai-balancer/simulator');
    });
    expect(simulator?.startProvider).not.toBe(startProvider);
    provider = (await simulator?.startProvider({ timeScale: 0.01, errorShare: 0 })) as SimulatedProvider;
    await expectAnswer(stream);
  });

  it('ends its faults after forMs', async () => {
    jest.useFakeTimers();
    provider = await startProvider({ timeScale: 0.01, errorShare: 0 });
    provider.fault({ kind: 'err5xx', forMs: 20 });
    while (provider.stats().faults.length > 0) await new Promise((resolve) => realImmediate(resolve));
    await expectAnswer(stream);
  });
});
