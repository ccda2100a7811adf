import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { BalancerConfig } from 'express-ai-balancer';
import { forkGuarded, killAndWait } from './harness/process-guard';

/** What the process sends: the port of its app, or whether the guard's store is down. */
export type GuardMessage = { readonly port: number } | { readonly isDown: boolean };

export interface GuardedResponse {
  readonly status: number;
  readonly ms: number;
  readonly headers: Headers;
}

/**
 * A real process with an app whose guard shares its limits through the cluster. A call uses 60 + 40 tokens. A
 * tenant's limits are in its name: 'rpm=6 Ann', 'tpm=500', 'usdPerDay=0.5'.
 */
export class GuardedApp {
  /** The 'store' events, in their order. */
  readonly storeEvents: boolean[] = [];
  readonly #child: ChildProcess;
  #port = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(config: BalancerConfig): Promise<GuardedApp> {
    const child = forkGuarded(join(__dirname, 'guarded-app-main.ts'));
    const app = new GuardedApp(child);
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error("the app's process has exited")));
      child.on('message', (message: GuardMessage) => {
        if ('isDown' in message) {
          app.storeEvents.push(message.isDown);
          return;
        }
        app.#port = message.port;
        resolve();
      });
      child.send(config);
    });
    return app;
  }

  async request(tenant: string): Promise<GuardedResponse> {
    const since = performance.now();
    const answer = await fetch(`http://127.0.0.1:${this.#port}/`, { headers: { 'x-tenant': tenant } });
    await answer.text();
    return { status: answer.status, ms: performance.now() - since, headers: answer.headers };
  }

  close(): Promise<void> {
    return killAndWait(this.#child);
  }
}
