import type { RedisLink } from './redis-link';

/** Text messages to all processes of the cluster. Messages may be late, lost or repeated, or come from other software. */
export interface PubSubChannel {
  /** Never throws. Does nothing while Redis is unreachable. */
  publish(text: string): void;
  /** The listener may also receive this process's own messages. */
  subscribe(onMessage: (text: string) => void): void;
}

export class RedisPubSub implements PubSubChannel {
  readonly #link: RedisLink;
  readonly #channel: string;

  constructor(link: RedisLink, channel: string) {
    this.#link = link;
    this.#channel = channel;
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
      // After every reconnection too: ioredis does not repeat a subscription that has failed.
      subscriber.on('ready', subscribe);
      if (subscriber.status === 'ready') subscribe();
    });
  }
}
