// Entry point of a member: a process with a balancer that runs its parent's commands. Started by member.ts only.

import type { EventEmitter } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { AiBalancerError, Balancer } from 'express-ai-balancer';
import { trueNow } from './machine-clock';
import type { Load, MemberConfig, NumberedCommand, Outcome, Report } from './messages';

/** Calls are reported in batches: one message per call would use most of the process's CPU. */
const REPORT_EVERY_MS = 50;
/** A caller pauses after a failed call, so that calls that are refused at once don't loop. */
const PAUSE_MS = 20;
const EVENTS = ['breaker', 'cooldown', 'store', 'cluster'];

let balancer: Balancer | undefined;
let startedCalls = 0;
let outcomes: Outcome[] = [];
let timer: NodeJS.Timeout | undefined;
const lateness = monitorEventLoopDelay({ resolution: 10 });

function report(message: Report): void {
  if (process.connected) process.send?.(message);
}

function reportSoon(): void {
  timer ??= setTimeout(reportNow, REPORT_EVERY_MS);
}

function reportNow(): void {
  clearTimeout(timer);
  timer = undefined;
  report({ startedCalls, outcomes });
  outcomes = [];
}

async function start(config: MemberConfig): Promise<void> {
  const made = new Balancer(withEstimate(config));
  for (const name of EVENTS) {
    (made as EventEmitter).on(name, (event: unknown) => report({ seen: { name, at: trueNow(), event } }));
  }
  balancer = made;
  await made.ready();
}

/** The metadata tells the simulated provider how long the prompt is. */
function withEstimate(config: MemberConfig): MemberConfig {
  const promptTokensOf = (body: object) =>
    Number((body as { metadata?: Record<string, string> }).metadata?.simulate_prompt_tokens ?? 1);
  return { hedge: false, ...config, estimateTokens: promptTokensOf };
}

async function runCall(target: Balancer, load: Load, id: number): Promise<boolean> {
  const { tokens = { prompt: 60, output: 40 }, model = 'gpt-4o', timeoutMs, priority, tenant } = load;
  const body = {
    model,
    messages: [{ role: 'user' as const, content: 'Where is my parcel?' }],
    max_tokens: tokens.output,
    metadata: { simulate_prompt_tokens: `${tokens.prompt}`, simulate_output_tokens: `${tokens.output}` },
  };
  const options = {
    estimatedOutputTokens: tokens.output,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(priority === undefined ? {} : { priority }),
    ...(tenant === undefined ? {} : { tenant }),
  };
  startedCalls += 1;
  reportSoon();
  const startedAt = trueNow();
  const since = performance.now();
  const end = (route: { waitMs?: number; attempts: readonly unknown[] } | undefined, code?: string) => {
    const ms = performance.now() - since;
    const attempts = route?.attempts.length ?? 0;
    outcomes.push({
      load: id,
      startedAt,
      ms,
      waitMs: route?.waitMs ?? 0,
      attempts,
      ...(code === undefined ? {} : { code }),
    });
    reportSoon();
    return code === undefined;
  };
  try {
    return end((await target.chat(body, options).withRoute()).route);
  } catch (error) {
    const known = AiBalancerError.isInstance(error) ? error : undefined;
    return end(known?.route, known?.code ?? String(error));
  }
}

async function runLoad(load: Load, id: number): Promise<number> {
  const own = balancer;
  if (!own) throw new Error('the member has not been started');
  lateness.enable();
  const since = performance.now();
  const isOver = () => performance.now() - since >= load.forMs;
  let count = 0;
  const call = () => {
    count += 1;
    return runCall(own, load, id);
  };
  if ('callers' in load) {
    const caller = async () => {
      while (!isOver()) if (!(await call())) await pause(PAUSE_MS);
    };
    await Promise.all(Array.from({ length: load.callers }, caller));
  } else {
    const running: Promise<boolean>[] = [];
    while (!isOver()) {
      const dueMs = (running.length * 1_000) / load.perSecond - (performance.now() - since);
      if (dueMs > 0) await pause(dueMs);
      else running.push(call());
    }
    await Promise.all(running);
  }
  reportNow();
  return count;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function execute(command: NumberedCommand): Promise<unknown> {
  switch (command.do) {
    case 'start':
      return start(command.config);
    case 'load':
      return runLoad(command.load, command.id);
    case 'reload':
      return balancer?.reload(withEstimate(command.config));
    case 'stats':
      return balancer?.stats();
    case 'cpu': {
      const { user, system } = process.cpuUsage();
      const lateMs = lateness.max / 1e6;
      return { usedMs: (user + system) / 1_000, uptimeMs: process.uptime() * 1_000, lateMs };
    }
    case 'close':
      await balancer?.close({ graceMs: 0 });
      reportNow();
      return undefined;
  }
}

process.on('message', (question: NumberedCommand) => {
  const { id } = question;
  execute(question).then(
    (result) => report({ id, result }),
    (error: unknown) => report({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});

// Ctrl-C reaches the whole process group, but the parent decides when its members end.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

report({ hello: true });
