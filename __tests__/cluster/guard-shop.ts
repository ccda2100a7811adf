import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { BalancerConfig } from 'express-ai-balancer';
import { forkHeld, killed } from './harness/leash';

/** What a shop's process tells: the port of its app, or that the guard's store is down, or answers again. */
export type GuardMessage = { readonly port: number } | { readonly isDown: boolean };

export interface Visit {
  readonly status: number;
  readonly ms: number;
  readonly headers: Headers;
}

/**
 * A real process with an app whose guard shares its limits through the cluster. A call takes 60 + 40 tokens; a tenant may have
 * what stands in its name: 'rpm=6 Ann', 'tpm=500', 'usdPerDay=0.5'.
 */
export class Shop {
  /** The 'store' events, in their order. */
  readonly news: boolean[] = [];
  readonly #child: ChildProcess;
  #port = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(config: BalancerConfig): Promise<Shop> {
    const child = forkHeld(join(__dirname, 'guard-main.ts'));
    const shop = new Shop(child);
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error("the shop's process has ended")));
      child.on('message', (message: GuardMessage) => {
        if ('isDown' in message) {
          shop.news.push(message.isDown);
          return;
        }
        shop.#port = message.port;
        resolve();
      });
      child.send(config);
    });
    return shop;
  }

  async visit(tenant: string): Promise<Visit> {
    const since = performance.now();
    const answer = await fetch(`http://127.0.0.1:${this.#port}/`, { headers: { 'x-tenant': tenant } });
    await answer.text();
    return { status: answer.status, ms: performance.now() - since, headers: answer.headers };
  }

  close(): Promise<void> {
    return killed(this.#child);
  }
}
