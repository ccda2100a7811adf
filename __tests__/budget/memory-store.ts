import type { BudgetStore } from 'express-ai-balancer';

/** A budget store in memory that can be switched off, and can lose its answers or its records. */
export class MemoryStore implements BudgetStore {
  readonly records = new Map<string, string>();
  /** 'lost-reply': the change is stored, but the caller gets an error. */
  mode: 'up' | 'down' | 'lost-reply' = 'up';
  delayMs = 0;

  async update(key: string, change: (record: string | undefined) => string): Promise<void> {
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    if (this.mode === 'down') throw new Error('connection refused');
    this.records.set(key, change(this.records.get(key)));
    if (this.mode === 'lost-reply') throw new Error('connection reset');
  }
}
