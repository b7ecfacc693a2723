// Finding events: by what their messages say, by process, by stamp. Enter goes from one to the next.

const LOOK_EVERY_MS = 500;
const $ = (id) => document.getElementById(id);

export class Find {
  #history;
  #view;
  #timer = null;
  #found = [];

  constructor(history, view) {
    this.#history = history;
    this.#view = view;
    $("find").addEventListener("input", () => this.#look());
    $("find").addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Events came: looks again soon, if something is looked for. */
  refresh() {
    if (!$("find").value || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#look();
    }, LOOK_EVERY_MS);
  }

  #look() {
    const wanted = $("find").value.trim().toLowerCase();
    const matches = ({ process, lamport, label, message }) =>
      process.toLowerCase() === wanted || String(lamport) === wanted || Boolean(message && label.toLowerCase().includes(wanted));
    this.#found = wanted ? this.#history.inOrder().filter((event) => !this.#view.hidden.has(event.process) && matches(event)) : [];
    this.#view.found = new Set(this.#found);
    this.#view.ask();
    this.#tell();
  }

  /** In the order of the stamps, and from the end to the beginning again. */
  #pressed(event) {
    if (event.key === "Escape") {
      $("find").value = "";
      return this.#look();
    }
    if (event.key !== "Enter") return;
    event.preventDefault();
    this.#look();
    if (!this.#found.length) return;
    const at = this.#found.indexOf(this.#view.cursor);
    const next = event.shiftKey ? (at < 0 ? -1 : at - 1) : at + 1;
    this.#view.point(this.#found.at(next % this.#found.length));
    this.#tell();
  }

  #tell() {
    const { length } = this.#found;
    const at = this.#found.indexOf(this.#view.cursor);
    $("find-state").value = !$("find").value ? "" : at < 0 ? `${length} found` : `${at + 1} of ${length}`;
  }
}
