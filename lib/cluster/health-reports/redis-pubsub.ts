import type { RedisLink } from '../redis/redis-link';
import type { PubSubChannel } from './ports';

/** News over Redis's PUBLISH and SUBSCRIBE. */
export class RedisPubSub implements PubSubChannel {
  readonly id: string;
  readonly #link: RedisLink;
  readonly #channel: string;

  constructor(link: RedisLink, channel: string, id: string) {
    this.#link = link;
    this.#channel = channel;
    this.id = id;
  }

  publish(text: string): void {
    this.#link.tryRun((client) => client.publish(this.#channel, text)).catch(() => undefined);
  }

  subscribe(onMessage: (text: string) => void): void {
    this.#link.whenOpen((_client, subscriber) => {
      subscriber.on('message', (channel: string, text: string) => {
        if (channel === this.#channel) onMessage(text);
      });
      const subscribe = (): void => {
        subscriber.subscribe(this.#channel).catch(() => undefined);
      };
      // Also after every reconnection: a first try that failed is not made again by the client itself.
      subscriber.on('ready', subscribe);
      if (subscriber.status === 'ready') subscribe();
    });
  }

  now(): number | undefined {
    return this.#link.now();
  }
}
