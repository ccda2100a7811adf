/* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment, @typescript-eslint/no-unsafe-enum-assignment -- JSON of the wire, checked against the SDK's classes */
import type { FinishReason, GenerateContentResponse } from '@google/genai';

/*
 * Answers of the Gemini API, in the form of the documentation; the compiler checks them against the types of @google/genai.
 * Sources:
 * https://ai.google.dev/api/generate-content
 * https://ai.google.dev/gemini-api/docs/function-calling
 * https://ai.google.dev/gemini-api/docs/thought-signatures
 */

/** What is sent: the SDK's class has getters beside it, and its enums are strings on the wire. */
export type Wire = Omit<
  GenerateContentResponse,
  'initialPromptTokenCount' | 'text' | 'data' | 'functionCalls' | 'executableCode' | 'codeExecutionResult'
>;

const STOP = 'STOP' as FinishReason;
const HEAD = { modelVersion: 'gemini-3-pro-preview', responseId: 'Xl1TaLPMOoGSmtkP0K2ZoQU' };

export const TEXT_ANSWER = {
  ...HEAD,
  candidates: [
    {
      content: {
        role: 'model',
        parts: [
          { text: 'The user asks for the weather.', thought: true },
          { text: 'It is sunny in ' },
          { text: 'Lyon: 24 °C.', thoughtSignature: 'CiIBtXG9' },
        ],
      },
      finishReason: STOP,
      index: 0,
    },
  ],
  usageMetadata: {
    promptTokenCount: 2000,
    cachedContentTokenCount: 1500,
    candidatesTokenCount: 60,
    thoughtsTokenCount: 30,
    totalTokenCount: 2090,
  },
} satisfies Wire;

export const TOOL_ANSWER = {
  ...HEAD,
  candidates: [
    {
      content: {
        role: 'model',
        parts: [
          { text: 'I look both up.' },
          {
            functionCall: { id: 'a1b2c3d4', name: 'get_weather', args: { city: 'Lyon', unit: 'celsius' } },
            thoughtSignature: 'CpcBAdHtim+qVXRkMy4qFKfQ',
          },
          { functionCall: { id: 'e5f6a7b8', name: 'get_time', args: {} } },
        ],
      },
      finishReason: STOP,
      index: 0,
    },
  ],
  usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 40, totalTokenCount: 140 },
} satisfies Wire;

export const BLOCKED_ANSWER = {
  promptFeedback: { blockReason: 'PROHIBITED_CONTENT' as never },
  usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 },
  ...HEAD,
} satisfies Wire;

type Parts = NonNullable<NonNullable<NonNullable<Wire['candidates']>[number]['content']>['parts']>;

function event(parts: Parts, usageMetadata: Wire['usageMetadata'], finishReason?: FinishReason): Wire {
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...(finishReason ? { finishReason } : {}) }],
    usageMetadata,
    ...HEAD,
  };
}

/** The stream of {@link TEXT_ANSWER}. */
export const TEXT_EVENTS: Wire[] = [
  event([{ text: 'The user asks', thought: true }], { promptTokenCount: 2000, totalTokenCount: 2010 }),
  event([{ text: ' for the weather.', thought: true }], { promptTokenCount: 2000, totalTokenCount: 2020 }),
  event([{ text: 'It is sunny in Lyon: ' }], { promptTokenCount: 2000, totalTokenCount: 2040 }),
  event([{ text: '24 °C.', thoughtSignature: 'CiIBtXG9' }], TEXT_ANSWER.usageMetadata, STOP),
];

/** The stream of {@link TOOL_ANSWER}. */
export const TOOL_EVENTS: Wire[] = [
  event([{ text: 'I look ' }], { promptTokenCount: 100, totalTokenCount: 110 }),
  event([{ text: 'both up.' }], { promptTokenCount: 100, totalTokenCount: 120 }),
  event([TOOL_ANSWER.candidates[0]!.content.parts[1]!], { promptTokenCount: 100, totalTokenCount: 130 }),
  event([TOOL_ANSWER.candidates[0]!.content.parts[2]!], { promptTokenCount: 100, totalTokenCount: 140 }),
  event([{ text: '' }], TOOL_ANSWER.usageMetadata, STOP),
];

export function toSse(events: readonly Wire[]): string {
  return events.map((each) => `data: ${JSON.stringify(each)}\r\n\r\n`).join('');
}
