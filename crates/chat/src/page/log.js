// The log of the place that is shown: follows its end unless somebody reads further up, and tells how much is new below.

const AT_END = 60; // Pixels above the end that count as reading there.
const ABOVE_UNREAD = 40; // Pixels of what was read, above what was not.
const $ = (id) => document.getElementById(id);

export class Log {
  #log = $("log");
  #lines = $("lines");
  #place = null;
  #follows = true;
  #below = 0; // Messages that came while somebody read further up.

  constructor() {
    this.#log.addEventListener("scroll", () => this.#scrolled());
    $("latest").addEventListener("click", () => {
      this.#toEnd();
      this.#log.focus();
    });
    // A keyboard on the screen, a turned phone, a growing field.
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(this.#log);
  }

  /** Shows a place from where it was not read yet, or its end. */
  show(place) {
    this.#place = place;
    place.markUnread();
    this.#draw();
    const unread = this.#log.querySelector(".first-unread");
    this.#toEnd();
    if (unread) this.#log.scrollTop = Math.min(this.#log.scrollTop, unread.offsetTop - ABOVE_UNREAD);
    this.#scrolled();
  }

  /** Draws the place again after older lines were put before the others: what is read stays where it is. */
  redraw(place) {
    if (place !== this.#place) return;
    const fromEnd = this.#log.scrollHeight - this.#log.scrollTop;
    this.#draw();
    if (this.#follows) this.#toEnd();
    else this.#log.scrollTop = this.#log.scrollHeight - fromEnd;
  }

  /** A line was put at the end of the place that is shown. */
  append(line) {
    this.#lines.append(line.item);
    $("older").hidden = !this.#place.hasOlder;
    if (line.item.classList.contains("own")) this.#follows = true;
    if (this.#follows) return this.#toEnd();
    if (line.counts) this.#below += 1;
    this.#showLatest();
  }

  #draw() {
    // What was there before is not news to a screen reader.
    this.#log.setAttribute("aria-live", "off");
    this.#lines.dataset.empty = this.#place.isRoom ? "Nobody has said anything here yet." : `What you write here, only ${this.#place.other} can read.`;
    this.#lines.replaceChildren(...this.#place.lines.map(({ item }) => item));
    requestAnimationFrame(() => this.#log.setAttribute("aria-live", "polite"));
    $("older").hidden = !this.#place.hasOlder;
  }

  #toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#follows = true;
    this.#below = 0;
    this.#showLatest();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    this.#follows = scrollHeight - scrollTop - clientHeight < AT_END;
    if (this.#follows) this.#below = 0;
    this.#showLatest();
  }

  #showLatest() {
    $("latest").hidden = this.#follows;
    $("latest").textContent = this.#below ? `↓ ${this.#below} new` : "↓ Latest";
  }
}
