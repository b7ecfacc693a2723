// What this page is told: the events of every member, what this peer delivers, and how the group is.
//
// All of it comes over one connection to this peer, which asks the other members. After a lost connection the page goes on
// where it was: the last event it has of each member, and the last delivery.

import { Wire, Refused } from "/wire.js";

const STATUS_EVERY_MS = 1500;
const HELD_MAX = 5000; // Events that wait while the page is paused; of older ones only the count is known.

export class Feed {
  isPaused = false;
  #held = [];
  #on;
  #wire;
  #seen = new Map(); // By member: the last event, as `incarnation/number`.
  #delivered = null; // The name of the last delivery.
  #following = new Set();

  /**
   * @param {object} on - `event(told)`, `delivered(delivery)`, `missed(told)`, `tracing(process, told)`, `status(status)`,
   *   `connected()`, `lost(pauseMs)`, `held(count)`, `trouble(text)`.
   */
  constructor(on) {
    this.#on = on;
    this.#wire = new Wire({
      open: () => this.#begin(),
      event: (event) => this.#receive(event),
      lost: (pause) => on.lost(pause),
    });
    setInterval(() => this.#askStatus(), STATUS_EVERY_MS);
  }

  /** Multicasts a text from this peer; resolves to `{message, stamp}`. */
  send(data) {
    return this.#wire.request("multicast", { data });
  }

  /** Does not wait any longer for the next try to connect. */
  tryNow() {
    this.#wire.tryNow();
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    if (isPaused) return;
    for (const told of this.#held.splice(0)) this.#on.event(told);
    this.#on.held(0);
  }

  async #begin() {
    this.#following.clear();
    try {
      const status = await this.#wire.request("status");
      this.#on.connected();
      this.#on.status(status);
      await this.#watch();
      for (const { id } of status.members) {
        this.#following.add(id);
        await this.#wire.request("trace", { member: id, since: this.#seen.get(id) ?? "start" });
      }
    } catch (error) {
      if (error instanceof Refused) this.#on.trouble(error);
    }
  }

  async #watch() {
    try {
      await this.#wire.request("watch", this.#delivered ? { since: this.#delivered } : {});
    } catch (error) {
      if (error.code !== "since_unknown") throw error;
      // The peer began anew: what it delivers now comes from its beginning, and what is known is not shown twice.
      await this.#wire.request("watch", { since: "start" });
    }
  }

  async #askStatus() {
    if (!this.#following.size || document.hidden) return;
    try {
      this.#on.status(await this.#wire.request("status"));
    } catch {
      // The connection tells its own loss.
    }
  }

  #receive(event) {
    switch (event.event) {
      case "traced": return this.#trace(event);
      case "untraced": return this.#on.missed(event);
      case "tracing": return this.#on.tracing(event.process, event);
      case "delivered":
        this.#delivered = event.message;
        return this.#on.delivered(event);
      case "error": return this.#on.trouble(event);
    }
  }

  #trace({ process, incarnation, number, record }) {
    if (record.process !== process) return;
    this.#seen.set(process, `${incarnation}/${number}`);
    const told = { process, incarnation, number, record };
    if (!this.isPaused) return this.#on.event(told);
    this.#held.push(told);
    if (this.#held.length > HELD_MAX) this.#held.shift();
    this.#on.held(this.#held.length);
  }
}
