/** What the pieces of code in the documents take from the app around them. */
import type { Express, NextFunction, Request, RequestHandler, Response } from 'express';
import type {
  Balancer,
  BalancerConfig,
  ChatBody,
  ChatCompletion,
  ChatMessage,
  ChatStream,
  EndpointConfig,
} from 'express-ai-balancer';

export { default as OpenAI } from 'openai';
export { default as request } from 'supertest';
export type { NextFunction, Request, RequestHandler, Response };

export declare const app: Express;
export declare const handler: RequestHandler;
export declare const req: Request;
export declare const res: Response;
export declare const next: NextFunction;
export declare const balancer: Balancer;
export declare const endpoints: EndpointConfig[];
export declare const newConfig: BalancerConfig;
export declare const body: Omit<ChatBody, 'stream'>;
export declare const messages: ChatMessage[];
export declare const stream: ChatStream;
export declare const apiKey: string;
export declare const KEY_A: string;
export declare const KEY_B: string;
export declare const KEY_C: string;

export declare function show(chunk: unknown): void;
export declare function log(...values: unknown[]): void;
export declare function tenant(req: Request): string | undefined;
export declare const tenants: Map<string, string>;
export declare const user: { id: string };
export declare const pager: { warn(message: string): void };
export declare const plans: Map<string | undefined, { rpm?: number; usdPerDay?: number }>;
export declare const stars: number;
export declare const product: string;
export declare function describe(product: string): Promise<string>;
export declare function judge(question: unknown, ...answers: unknown[]): Promise<string>;
export declare const cannedAnswer: ChatCompletion;
export declare const secrets: { get(name: string): Promise<string> };
export declare const db: {
  insert(table: string, row: object): Promise<void>;
  tenantByKeyHash(hash: string): Promise<string | undefined>;
  transaction(work: (tx: Transaction) => Promise<void>): Promise<void>;
};
interface Transaction {
  one(sql: string, values: unknown[]): Promise<{ record: string } | undefined>;
  put(table: string, row: object): Promise<void>;
}
