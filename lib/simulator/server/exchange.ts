import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Passage, type ProviderPhysics, tokensBy } from '../physics';

/** One call on the wire: its timer, its passage through the physics, and the client that may leave at any time. */
export class Exchange {
  readonly res: ServerResponse;
  readonly #physics: ProviderPhysics;
  readonly #passage: Passage;
  readonly #timeScale: number;
  readonly #arrivedAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(res: ServerResponse, physics: ProviderPhysics, call: Passage, timeScale: number) {
    this.res = res;
    this.#physics = physics;
    this.#passage = call;
    this.#timeScale = timeScale;
    this.#arrivedAt = performance.now();
    res.once('close', () => this.#onClientClose());
    if (res.destroyed) this.#onClientClose();
  }

  /** Runs `step` that many simulated ms after the call arrived; at once if that is past. */
  schedule(simulatedMs: number, step: () => void): void {
    const wait = simulatedMs * this.#timeScale - (performance.now() - this.#arrivedAt);
    this.#timer = setTimeout(step, Math.max(0, wait));
  }

  /** Simulated ms since the call arrived. */
  elapsed(): number {
    return this.#timeScale === 0 ? Infinity : (performance.now() - this.#arrivedAt) / this.#timeScale;
  }

  produced(tokens: number): void {
    this.#physics.produced(this.#passage, tokens, performance.now());
  }

  finish(): void {
    this.#physics.finish(this.#passage, performance.now());
  }

  /** Destroys the socket under the answer. */
  destroy(): void {
    this.finish();
    this.res.socket?.destroy();
  }

  #onClientClose(): void {
    clearTimeout(this.#timer);
    const { plan } = this.#passage;
    // An answer that is all written has been finished already; then this does nothing.
    const tokens = plan.kind === 'answer' ? tokensBy(plan, this.elapsed()) : 0;
    this.#physics.abandon(this.#passage, tokens, performance.now());
  }
}

export function newId(prefix: string): string {
  return prefix + crypto.randomUUID().replaceAll('-', '');
}

export function apiKeyOf(req: IncomingMessage): string {
  const azureStyle = req.headers['api-key'];
  if (typeof azureStyle === 'string') return azureStyle;
  return /^bearer\s+(.+)$/i.exec(req.headers.authorization ?? '')?.[1]?.trim() ?? '';
}
