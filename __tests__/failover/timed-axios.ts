import axios, { type AxiosAdapter, type AxiosInstance } from 'axios';

/** An axios instance whose calls get an answer after as many milliseconds as the function says. */
export function timedAxios(latencyMs: (url: URL, body: string) => number): AxiosInstance {
  const adapter: AxiosAdapter = async (config) => {
    const ms = latencyMs(new URL(axios.getUri(config)), String(config.data));
    await new Promise((resolve) => setTimeout(resolve, ms));
    const message = { role: 'assistant', content: 'Tomorrow.' };
    const data = {
      id: 'x',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 },
    };
    const headers = { 'content-type': 'application/json' };
    return { status: 200, statusText: 'OK', headers, data: JSON.stringify(data), config };
  };
  return axios.create({ adapter });
}
