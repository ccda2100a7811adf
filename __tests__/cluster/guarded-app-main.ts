// Entry point of a process that serves an app with a guard. Started by guarded-app.ts only.

import type { AddressInfo } from 'node:net';
import express from 'express';
import { type BalancerConfig, createBalancer, failoverExecutor, rateLimitGuard } from 'express-ai-balancer';
import type { GuardMessage } from './guarded-app';

const TENANT = 'x-tenant';

function sendToParent(message: GuardMessage): void {
  if (process.connected) process.send?.(message);
}

async function open(config: BalancerConfig): Promise<void> {
  const balancer = createBalancer(config);
  balancer.on('store', ({ isDown }) => sendToParent({ isDown }));
  await balancer.ready();
  const app = express();
  // A tenant's limits are in its name.
  const limit = (what: string) => (tenant?: string) => {
    const [, name, value] = /^(\w+)=([\d.]+)/.exec(tenant ?? '') ?? [];
    return name === what ? Number(value) : undefined;
  };
  app.use(
    rateLimitGuard(balancer, {
      name: 'app',
      tenant: (req) => req.get(TENANT),
      rpm: limit('rpm'),
      tpm: limit('tpm'),
      usdPerDay: limit('usdPerDay'),
    }),
    failoverExecutor(balancer),
  );
  app.get('/', (req, res, next) => {
    const body = {
      model: 'gpt-4o',
      messages: [{ role: 'user' as const, content: 'Where is my parcel?' }],
      max_tokens: 40,
      metadata: { simulate_prompt_tokens: '60', simulate_output_tokens: '40' },
    };
    req.ai.chat(body).then(() => res.json({ ok: true }), next);
  });
  const server = app.listen(0, '127.0.0.1', () =>
    sendToParent({ port: (server.address() as AddressInfo).port }),
  );
}

process.on('message', (config: BalancerConfig) => void open(config));
process.on('disconnect', () => process.exit(0));
