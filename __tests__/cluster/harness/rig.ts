import type { ModelDescription } from 'express-ai-balancer/simulator';
import { Member, type MemberOptions } from './member';
import type { MemberConfig } from './messages';
import { ProviderProcess } from './provider';
import { RedisProxy } from './redis-proxy';
import { RedisServer, type RedisServerOptions } from './redis-server';
import { Workers } from './workers';

interface Closeable {
  close(): Promise<void>;
}

/**
 * The processes of a test file, which are closed together, even those that were still starting when a test failed. Benches
 * use it too, so it registers nothing with jest.
 *
 * @example
 * const rig = new ClusterRig();
 * afterEach(() => rig.close());
 */
export class ClusterRig {
  readonly #open: Promise<Closeable>[] = [];

  redis(options?: RedisServerOptions): Promise<RedisServer> {
    return this.#track(RedisServer.start(options));
  }

  /** A proxy to Redis. Default `delayMs`: 3, one way. */
  proxy(redis: RedisServer, options?: { delayMs?: number }): Promise<RedisProxy> {
    return this.#track(RedisProxy.start(redis, options));
  }

  provider(model?: ModelDescription): Promise<ProviderProcess> {
    return this.#track(ProviderProcess.start(model));
  }

  member(options: MemberOptions): Promise<Member> {
    return this.#track(Member.start(options));
  }

  /** Starts members with the same configuration at the same time. */
  members(count: number, config: MemberConfig): Promise<Member[]> {
    return Promise.all(Array.from({ length: count }, () => this.member({ config })));
  }

  /** Starts members as workers of Node's `cluster` module. */
  workers(count: number, config: MemberConfig): Promise<Workers> {
    return this.#track(Workers.start(count, config));
  }

  /** Members first, so that they can return their quota. */
  async close(): Promise<void> {
    const started = await Promise.allSettled(this.#open.splice(0));
    const tracked = started.filter((result) => result.status === 'fulfilled').map(({ value }) => value);
    const isMember = (one: Closeable) => one instanceof Member || one instanceof Workers;
    await Promise.all(tracked.filter(isMember).map((one) => one.close()));
    await Promise.all(tracked.filter((one) => !isMember(one)).map((one) => one.close()));
  }

  #track<T extends Closeable>(starting: Promise<T>): Promise<T> {
    this.#open.push(starting);
    return starting;
  }
}
