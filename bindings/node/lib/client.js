// A client of the service.
import { call, wait } from './error.js';
import { optionsFrom, textOf, toJson } from './json.js';
import { native } from './native.js';

/** Asks one service: questions and answers are those of its HTTP interface. */
export class Client {
  #native;

  constructor(options) {
    const { url, token } = optionsFrom(options, ['url', 'token']);
    const [address, secret] = [textOf(url, 'url'), textOf(token, 'token')];
    this.#native = call(() => new native.NativeClient(address, secret));
  }

  async #ask(method, question = {}) {
    const text = toJson(question);
    return JSON.parse(await wait(() => this.#native.ask(method, text)));
  }

  authorize(question) {
    return this.#ask('authorize', question);
  }

  verify(question) {
    return this.#ask('verify', question);
  }

  consume(question) {
    return this.#ask('consume', question);
  }

  outcome(report) {
    return this.#ask('outcome', report);
  }

  request(id) {
    return this.#ask('request', { id });
  }

  requests(of = {}) {
    return this.#ask('requests', of);
  }

  vote(id, token) {
    return this.#ask('vote', { id, token });
  }

  cancel(id) {
    return this.#ask('cancel', { id });
  }

  revoke(revocation) {
    return this.#ask('revoke', revocation);
  }

  trust() {
    return this.#ask('trust');
  }

  jwks() {
    return this.#ask('jwks');
  }

  ledgerHead() {
    return this.#ask('ledgerHead');
  }

  async health() {
    await this.#ask('health');
  }
}
