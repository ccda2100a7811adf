/** What `npx express-ai-balancer migrate` writes, for the app of docs/migrate.md. */
import type { BalancerConfig } from 'express-ai-balancer';

export declare const config: BalancerConfig;
