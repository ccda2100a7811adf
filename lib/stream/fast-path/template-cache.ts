import { ShapedChatEvent } from '../chat-event';
import type { ChunkFacts } from '../chunk-facts';
import type { SseFrame } from '../sse-decoder';
import { EventShape } from './event-template';

/** Several choices, or reasoning beside text, take turns. */
const MAX_SHAPES = 4;
/** A stream whose events are never alike is not worth more tries. */
const MAX_FRUITLESS = 16;

/** The shapes of the events of one stream, the latest used first. */
export class KnownShapes {
  readonly #shapes: EventShape[] = [];
  #fruitless = 0;

  /** The event, unparsed, if it has a known shape. */
  read(frame: SseFrame): ShapedChatEvent | undefined {
    if (!frame.single) return undefined;
    const { latin1, dataStart, dataEnd } = frame;
    for (let i = 0; i < this.#shapes.length; i++) {
      const shape = this.#shapes[i] as EventShape;
      const positions = shape.match(latin1, dataStart, dataEnd);
      if (!positions) continue;
      if (i > 0) {
        this.#shapes.splice(i, 1);
        this.#shapes.unshift(shape);
      }
      this.#fruitless = 0;
      return new ShapedChatEvent(frame, shape, positions);
    }
    return undefined;
  }

  /** Takes the shape of an event that had to be parsed. */
  learn(frame: SseFrame, facts: ChunkFacts): void {
    if (!frame.single || this.#fruitless >= MAX_FRUITLESS) return;
    const shape = EventShape.of(frame.latin1.slice(frame.dataStart, frame.dataEnd), facts);
    if (!shape) return;
    this.#fruitless++;
    this.#shapes.unshift(shape);
    if (this.#shapes.length > MAX_SHAPES) this.#shapes.pop();
  }
}
