// A connection of a page to its service: the wire over a WebSocket, with a Lamport clock, replies as promises,
// pongs for pings, and a new attempt after a growing pause when it is lost. What to say after coming back is the
// page's business.

const PAUSE_FIRST_MS = 250;
const PAUSE_LONGEST_MS = 8000;

/** The refusal of a request: `code` is for programs, `message` and `hint` are for people. */
export class Refused extends Error {
  constructor({ code, message, hint }) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** The connection ended before the reply came: nobody knows whether the request was carried out. */
export class Lost extends Error {
  constructor() {
    super("the connection was lost before the answer came");
  }
}

export class Wire {
  #socket = null;
  #waiting = new Map();
  #nextId = 1;
  #pause = PAUSE_FIRST_MS;
  #nextTry = 0;
  #isWaiting = false; // For the next try.
  #closed = false;

  /** This page's Lamport clock. */
  clock = 0;

  /**
   * @param {object} on - `open(greeting)` once connected, `event(event)` for each event, `lost(pauseMs, why)` when the
   *   connection is gone and will be tried again (`why` if the page gave it up), `clock(time)` whenever the clock moved, `exchange(op, sent,
   *   received)` with the times of a request and its reply. The last two may be missing.
   */
  constructor(on) {
    this.on = on;
    this.#open();
  }

  /** Sends a request; resolves to its result. Rejects with Refused or Lost. */
  request(op, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Lost());
    const id = this.#nextId++;
    this.#moveClock(this.clock + 1);
    const sent = this.clock;
    this.#socket.send(JSON.stringify({ lamport: sent, id, op, ...fields }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { op, sent, resolve, reject }));
  }

  /** Gives up a connection that is of no use for now, and tries again after the pause; `why` is for people. */
  retry(why) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#lose(why);
  }

  /** Does not wait any longer, if a lost connection waits to be tried again. */
  tryNow() {
    if (!this.#isWaiting) return;
    clearTimeout(this.#nextTry);
    this.#open();
  }

  /** Ends the connection, for good unless it is opened again. Requests without a reply are lost. */
  close() {
    this.#closed = true;
    clearTimeout(this.#nextTry);
    this.#isWaiting = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#loseRequests();
  }

  /** Connects again after `close`; the clock goes on. */
  reopen() {
    if (!this.#closed) return;
    this.#closed = false;
    this.#pause = PAUSE_FIRST_MS;
    this.#open();
  }

  #open() {
    this.#isWaiting = false;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.#socket = socket;
    // What comes from a connection that was given up is nobody's.
    socket.onmessage = ({ data }) => {
      for (const line of data.split("\n")) if (line && socket === this.#socket) this.#receive(JSON.parse(line));
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lose();
    };
  }

  #receive(message) {
    if (message.service) {
      this.on.open(message);
    } else if (message.event === "ping") {
      this.#socket.send('{"op":"pong"}');
    } else {
      // What is unstamped lies below the clock: the last words of a connection.
      if (message.lamport) this.#moveClock(Math.max(this.clock, message.lamport) + 1);
      if (message.event) this.on.event(message);
      else this.#settle(message);
    }
  }

  #settle({ id, ok, error }) {
    const waiter = this.#waiting.get(id);
    if (!waiter) return;
    this.#waiting.delete(id);
    this.on.exchange?.(waiter.op, waiter.sent, this.clock);
    if (error) return waiter.reject(new Refused(error));
    this.#pause = PAUSE_FIRST_MS;
    waiter.resolve(ok);
  }

  #lose(why) {
    // Half of the pause is left to chance, so that pages do not all come back at once.
    const pause = this.#pause / 2 + (Math.random() * this.#pause) / 2;
    this.#pause = Math.min(this.#pause * 2, PAUSE_LONGEST_MS);
    this.#isWaiting = true;
    this.#nextTry = setTimeout(() => this.#open(), pause);
    this.#loseRequests();
    this.on.lost(pause, why);
  }

  #loseRequests() {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new Lost());
  }

  #moveClock(time) {
    this.clock = time;
    this.on.clock?.(time);
  }
}

/** Makes an element; children that are strings become text, never markup. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** What a refusal, or an error event, says to people. */
export function explain({ message, hint }) {
  return harmless(hint ? `${message} (${hint})` : message);
}

const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Shows characters that would act on the text around them as what they are. */
export function harmless(text) {
  return text.replace(HARMFUL, (c) => (c === "\n" ? "\n" : `\\u{${c.codePointAt(0).toString(16)}}`));
}
