import { type SimulatedProvider, startProvider } from 'express-ai-balancer/simulator';

let provider: SimulatedProvider;

afterEach(async () => {
  jest.useRealTimers();
  await provider.close();
});

it.each([[false], [true]])(
  "a simulated provider answers under jest's fake timers (stream: %s)",
  async (stream) => {
    provider = await startProvider({ timeScale: 0.01, errorShare: 0 });
    jest.useFakeTimers();
    const response = await fetch(`${provider.url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], stream }),
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain(stream ? '[DONE]' : 'chat.completion');
  },
);
