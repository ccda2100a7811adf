import type { Endpoint } from '../endpoint/endpoint';
import type { Option } from './plan';

/** Endpoints drawn for one decision: the best of 48 random ones out of 500 is nearly as good as the best of all. */
const SAMPLE_SIZE = 48;
/**
 * Number of recently picked endpoints that are considered again: those that suit all calls best are soon among them.
 */
const REMEMBERED = 8;

/**
 * Draws the endpoints that one decision in a large fleet considers: random ones, and those that earlier decisions have
 * picked ("power of d choices", with the memory of Mitzenmacher, Prabhakar and Shah, "Load Balancing with Memory",
 * 2002).
 */
export class Sampler {
  /** The endpoints in random order: each draw shuffles the part that it reads. */
  readonly #order: Endpoint[];
  readonly #remembered: Endpoint[] = [];

  constructor(endpoints: readonly Endpoint[]) {
    this.#order = [...endpoints];
  }

  /**
   * Draws until the sample is full or all endpoints were examined.
   * @param optionAt Returns undefined if the endpoint can't serve the call.
   * @param preferred Endpoints that are also included, as far as they belong to this sampler.
   */
  draw(optionAt: (endpoint: Endpoint) => Option | undefined, preferred: readonly Endpoint[]): Option[] {
    const sample: Option[] = [];
    const known = [...this.#remembered];
    for (const endpoint of preferred)
      if (!known.includes(endpoint) && this.#order.includes(endpoint)) known.push(endpoint);
    for (const endpoint of known) {
      const option = optionAt(endpoint);
      if (option) sample.push(option);
    }
    const order = this.#order;
    for (let drawn = 0; drawn < order.length && sample.length < SAMPLE_SIZE; drawn++) {
      const at = drawn + Math.floor(Math.random() * (order.length - drawn));
      const endpoint = order[at] as Endpoint;
      order[at] = order[drawn] as Endpoint;
      order[drawn] = endpoint;
      if (known.includes(endpoint)) continue;
      const option = optionAt(endpoint);
      if (option) sample.push(option);
    }
    return sample;
  }

  /** Records that the endpoint was picked. */
  remember(endpoint: Endpoint): void {
    const remembered = this.#remembered;
    const known = remembered.indexOf(endpoint);
    if (known >= 0 || remembered.length >= REMEMBERED) remembered.splice(Math.max(0, known), 1);
    remembered.push(endpoint);
  }
}
