import type { RedisLink } from './redis-link';

/** Text messages to all processes of the cluster. Messages may be late, lost or repeated, or come from other software. */
export interface PubSubChannel {
  /** Never throws. Does nothing while Redis is unreachable. */
  publish(text: string): void;
  /** The listener may also receive this process's own messages. */
  subscribe(onMessage: (text: string) => void): void;
}

export function redisPubSub(link: RedisLink, channel: string): PubSubChannel {
  return {
    publish(text) {
      link.tryRun((client) => client.publish(channel, text)).catch(() => undefined);
    },
    subscribe(onMessage) {
      link.whenOpen((_client, subscriber) => {
        subscriber.on('message', (from: string, text: string) => {
          if (from === channel) onMessage(text);
        });
        const subscribe = (): void => {
          subscriber.subscribe(channel).catch(() => undefined);
        };
        // After every reconnection too: ioredis does not repeat a subscription that has failed.
        subscriber.on('ready', subscribe);
        if (subscriber.status === 'ready') subscribe();
      });
    },
  };
}
