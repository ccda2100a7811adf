import { OWN_HEADERS } from './axios-adapter';

type Headers = Readonly<Record<string, string | undefined>>;

/** The headers of an endpoint's requests as they are sent. They rarely change, so the last result is reused. */
export class SentHeaders {
  readonly #defaults: Readonly<Record<string, string>>;
  readonly #always: Readonly<Record<string, string>>;
  #names: readonly string[] = [];
  /** Copied values, because a dialect of the app may change the object that it has returned. */
  #values: readonly (string | undefined)[] = [];
  #sent: Readonly<Record<string, string>> | undefined;

  /** @param always Headers that take precedence over all others. */
  constructor(defaults: Readonly<Record<string, string>>, always: Readonly<Record<string, string>> = {}) {
    this.#defaults = defaults;
    this.#always = always;
  }

  /** The headers to send, with names in lower case and without those that the body or the connection determines. */
  of(headers: Headers): Readonly<Record<string, string>> {
    const names = Object.keys(headers);
    if (this.#sent === undefined || !this.#isLast(names, headers)) {
      this.#names = names;
      this.#values = names.map((name) => headers[name]);
      this.#sent = this.#merged(headers);
    }
    return this.#sent;
  }

  #isLast(names: readonly string[], headers: Headers): boolean {
    if (names.length !== this.#names.length) return false;
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string;
      if (name !== this.#names[index] || headers[name] !== this.#values[index]) return false;
    }
    return true;
  }

  #merged(headers: Headers): Readonly<Record<string, string>> {
    const sent = { ...this.#defaults };
    for (const [name, value] of Object.entries(headers)) {
      const key = name.toLowerCase();
      if (value !== undefined && !OWN_HEADERS.has(key)) sent[key] = value;
    }
    return { ...sent, ...this.#always };
  }
}
