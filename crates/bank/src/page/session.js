// A session at the bank that outlives its connections: logs in again, and pursues every operation until its outcome is
// known. Once a copy of a change has been sent, only an answer to the same key says whether it was done. Knows
// nothing of what is shown.

import { Wire, Refused, Lost } from "/wire.js";

const PAUSE_MS = 1000; // Before asking again what was refused for now.

// What refusals mean for the copy they answer.
const PASSES = ["busy", "rate_limited", "shutting_down"]; // Not done, because of something that passes.
const FAILING = ["unavailable", "internal"]; // Perhaps done: the server is failing, and will be started again.
const UNSEEN = ["clock_leap", "invalid_stamp", "line_too_long"]; // Not looked at: says nothing of an earlier copy.

/** The customer left before the outcome was known. */
export class Left extends Error {}

/** Nobody can tell any more whether it was done; `message` and `hint` are the bank's. */
export class Unknown extends Error {
  constructor({ message, hint }) {
    super(message);
    this.hint = hint;
  }
}

export class Session {
  #wire = null;
  #who = null; // { account, pin }, kept in memory to log in again.
  #ready = deferred(); // Settled once the connection is there and logged in.

  /**
   * @param {object} on - `state(connected, pauseMs)` whenever the connection comes or goes, `uncertain(op)` when a change
   *   was sent and its answer lost, `ended(error)` when the bank lets the customer in no more, `clock(time)` and
   *   `exchange(op, sent, received)` as Wire tells them.
   */
  constructor(on) {
    this.on = on;
  }

  /** Logs in once; resolves to the bank's answer. Rejects with Refused or Lost, and may be tried again. */
  async login(account, pin) {
    await this.#connected();
    const answer = await this.#wire.request("login", { account, pin });
    this.#who = { account, pin };
    return answer;
  }

  /** Does not wait any longer for the next try to connect. */
  tryNow() {
    this.#wire?.tryNow();
  }

  /** Leaves. What has no known outcome stays so. */
  leave() {
    this.#who = null;
    this.#wire?.close();
    this.#fail(new Left());
  }

  /** Reads something, over as many connections as it takes. Rejects with Refused or Left. */
  read(op, fields) {
    return this.#pursue(op, fields, () => {});
  }

  /** Changes something, once: `fields.key` names the change. Rejects with Refused (it was not done), Unknown or Left. */
  change(op, fields) {
    return this.#pursue(op, fields, () => this.on.uncertain(op));
  }

  /** Changes the PIN, which has no key: the login tells whether it was done. */
  async changePin(old, fresh) {
    this.#who.fresh = fresh;
    try {
      const answer = await this.#pursue("change_pin", { old, new: fresh }, () => this.on.uncertain("change_pin"), () => this.#who?.pin === fresh);
      this.#who.pin = fresh;
      return answer;
    } finally {
      if (this.#who) delete this.#who.fresh;
    }
  }

  async #pursue(op, fields, tellLost, isDone = () => false) {
    let isLost = false;
    for (;;) {
      await this.#ready.promise;
      if (isDone()) return {};
      try {
        return await this.#wire.request(op, fields);
      } catch (error) {
        if (error instanceof Lost || FAILING.includes(error.code)) {
          isLost = true;
          tellLost();
        } else if (error.code === "not_logged_in") {
          await this.#opened();
        } else if (isLost && UNSEEN.includes(error.code)) {
          throw new Unknown(error);
        } else if (!PASSES.includes(error.code)) {
          throw error;
        }
        // Before the next attempt a lost connection is noticed everywhere.
        await pause(error instanceof Refused ? PAUSE_MS : 0);
      }
    }
  }

  /** Resolves once there is a connection to log in on. */
  #connected() {
    if (!this.#wire) {
      this.#wire = new Wire({
        open: () => this.#opened(),
        event: () => {},
        lost: (pauseMs) => this.#lost(pauseMs),
        clock: (time) => this.on.clock(time),
        exchange: (op, sent, received) => this.on.exchange(op, sent, received),
      });
    } else {
      this.#wire.reopen();
    }
    return this.#ready.promise;
  }

  async #opened() {
    try {
      if (this.#who) await this.#logInAgain();
    } catch (error) {
      if (error instanceof Refused) this.#refused(error);
      return;
    }
    this.on.state(true);
    this.#ready.resolve();
  }

  /** While a change of the PIN has no known outcome, either PIN may be the right one. */
  async #logInAgain() {
    const { account, pin, fresh } = this.#who;
    for (;;) {
      try {
        return await this.#wire.request("login", { account, pin });
      } catch (error) {
        if (PASSES.includes(error.code)) {
          await pause(PAUSE_MS);
        } else if (error.code === "login_failed" && fresh) {
          await this.#wire.request("login", { account, pin: fresh });
          this.#who.pin = fresh;
          return;
        } else {
          throw error;
        }
      }
    }
  }

  #refused(error) {
    this.leave();
    this.on.ended(error);
  }

  #lost(pauseMs) {
    this.on.state(false, pauseMs);
    // Nobody is logged in: the next login connects anew.
    if (!this.#who) {
      this.#wire.close();
      this.#fail(new Lost());
    } else {
      this.#ready = this.#ready.settled ? deferred() : this.#ready;
    }
  }

  #fail(error) {
    this.#ready.reject(error);
    this.#ready = deferred();
  }
}

/** A new name for a change: 128 random bits. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function deferred() {
  const made = { settled: false };
  made.promise = new Promise((resolve, reject) => {
    made.resolve = (value) => ((made.settled = true), resolve(value));
    made.reject = (error) => ((made.settled = true), reject(error));
  });
  // Somebody may wait for it, or nobody.
  made.promise.catch(() => {});
  return made;
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
