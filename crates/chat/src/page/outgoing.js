// What is said from here, until it is known to have been carried out: in rooms also over a lost connection.

import { Refused } from "/wire.js";
import { Line } from "/line.js";

export class Outgoing {
  /** Says without a reply, in the order of their sending: { place, text, line }. */
  #unconfirmed = [];
  #request;
  #add;
  #remove;

  /** @param {object} on - `request(op, fields)`, `add(place, line)` to show a line, `remove(place, line)` to take it away. */
  constructor({ request, add, remove }) {
    this.#request = request;
    this.#add = add;
    this.#remove = remove;
  }

  /** Says a text in a room, or tells it to somebody. */
  say(place, text, me) {
    const line = Line.message({ from: me, text, at: Date.now(), me });
    line.isPending = true;
    this.#add(place, line);
    if (place.isRoom) this.#send({ place, text, line, me });
    else this.#tell({ place, text, line, me });
  }

  /** The says that a lost connection left without a reply. */
  get unconfirmed() {
    return [...this.#unconfirmed];
  }

  /** One's own line in a replay: the first say of that room without a reply was carried out after all. */
  confirmFirst(place, event) {
    const say = this.#unconfirmed.find((say) => say.place === place && say.text === event.text);
    if (!say) return false;
    this.#settle(say);
    return true;
  }

  /** Sends again those of `lost` that the replay did not show. Where it has a hole, that is for the person to decide. */
  sendAgain(lost) {
    const again = lost.filter((say) => this.#unconfirmed.includes(say));
    this.#unconfirmed = this.#unconfirmed.filter((say) => !again.includes(say));
    for (const say of again) {
      if (say.place.hasHole) this.#fail(say, new Error("not all of what was said meanwhile is kept"));
      else this.#send(say);
    }
  }

  #send(say) {
    this.#unconfirmed.push(say);
    this.#request("say", { room: say.place.name, text: say.text }).then(
      ({ seq }) => {
        say.place.seq = Math.max(say.place.seq, seq);
        say.place.first ??= seq;
        say.line.seq = seq;
        this.#settle(say);
      },
      (error) => {
        // Without a reply nobody knows yet; coming back will tell.
        if (!(error instanceof Refused)) return;
        this.#settle(say);
        this.#fail(say, error);
      },
    );
  }

  async #tell(say) {
    try {
      await this.#request("tell", { to: say.place.other, text: say.text });
      say.line.isPending = false;
    } catch (error) {
      this.#fail(say, error);
    }
  }

  #settle(say) {
    this.#unconfirmed = this.#unconfirmed.filter((other) => other !== say);
    say.line.isPending = false;
  }

  #fail({ place, text, line, me }, error) {
    line.fail(error, () => {
      this.#remove(place, line);
      this.say(place, text, me);
    });
  }
}
