// How the connection is, for people: said once when it changes, however often it is tried again; beside it how long until the next
// try, and a button for those who do not want to wait.

import { element } from "/wire.js";

const SECOND_MS = 1000;

export class ConnectionState {
  #words;
  #left = element("span", { "aria-hidden": "true" });
  #waiting;
  #timer = 0;

  /**
   * @param {HTMLElement} words - what says it: a live region.
   * @param {function} tryNow - tries at once; also called when the network or the person is back.
   */
  constructor(words, tryNow) {
    this.#words = words;
    words.tabIndex = -1;
    this.#waiting = element("span", { class: "waiting", hidden: true }, this.#left, element("button", { type: "button", onclick: tryNow }, "Try now"));
    words.after(this.#waiting);
    addEventListener("online", tryNow);
    document.addEventListener("visibilitychange", () => document.hidden || tryNow());
  }

  connected(words = "connected") {
    this.#say(words, false);
    this.#wait(false);
  }

  /** Lost, and tried again after a pause; `why` if the page gave it up. */
  lost(pauseMs, why = "connection lost") {
    this.#say(`${why}, trying again`, true);
    this.#wait(true);
    const until = performance.now() + pauseMs;
    const show = () => (this.#left.textContent = ` in ${Math.max(0, Math.ceil((until - performance.now()) / SECOND_MS))} s`);
    show();
    this.#timer = setInterval(show, SECOND_MS);
  }

  /** Over, and not tried again. */
  ended() {
    this.#say("not connected", true);
    this.#wait(false);
  }

  #say(words, isTrouble) {
    this.#words.classList.toggle("trying", isTrouble);
    // What is said again is heard again.
    if (this.#words.textContent !== words) this.#words.textContent = words;
  }

  #wait(is) {
    clearInterval(this.#timer);
    // Whoever pressed the button is not left nowhere when it goes.
    if (!is && this.#waiting.contains(document.activeElement)) this.#words.focus();
    this.#waiting.hidden = !is;
  }
}
