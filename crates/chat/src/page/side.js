// The rooms and conversations, and who is here. An element stays as long as what it stands for, so that the focus stays too.

import { element, harmless } from "/wire.js";

const $ = (id) => document.getElementById(id);

export class Side {
  #rooms = new KeptList($("rooms"));
  #people = new KeptList($("people"));
  #choose;
  #write;

  /** @param {object} on - `choose(place)` when one is chosen, `write(name)` when somebody is to be written to. */
  constructor({ choose, write }) {
    this.#choose = choose;
    this.#write = write;
    $("open-side").addEventListener("click", () => this.open(!this.#isOpen));
    $("side").addEventListener("keydown", ({ key }) => key === "Escape" && this.open(false));
  }

  /** On a small screen the side lies over the log, which cannot be reached then. */
  open(isOpen) {
    const wasOpen = this.#isOpen;
    $("side").classList.toggle("open", isOpen);
    $("open-side").setAttribute("aria-expanded", isOpen);
    for (const id of ["older", "log", "latest", "say"]) $(id).inert = isOpen;
    if (wasOpen && !isOpen) $("open-side").focus();
  }

  drawRooms(places, current) {
    this.#rooms.show(places, ({ name }) => name, () => element("button", {}, element("span", {}), element("span", { class: "unread" })), (button, place) => {
      const [name, unread] = button.children;
      button.onclick = () => this.#choose(place);
      if (place === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      name.textContent = harmless(place.name);
      unread.hidden = !place.unread;
      unread.classList.toggle("urgent", place.isUrgent);
      unread.replaceChildren(String(place.unread), element("span", { class: "unseen" }, " unread"));
    });
    const unread = places.reduce((sum, place) => sum + place.unread, 0);
    $("unread-total").textContent = unread ? `(${unread})` : "";
    document.title = `${unread ? `(${unread}) ` : ""}${current?.name ?? ""} – Chat`;
  }

  drawPeople({ isRoom, people, other }, me) {
    const names = isRoom ? [...people].sort((a, b) => a.localeCompare(b)) : [other];
    $("people-title").textContent = isRoom ? `Here now (${names.length})` : "In private with";
    const isButton = (name) => isRoom && name !== me;
    const build = (name) => isButton(name)
      ? element("button", { onclick: () => this.#write(name), title: `Write to ${harmless(name)}` }, harmless(name))
      : element("span", {}, harmless(name), name === me ? " (you)" : "");
    this.#people.show(names, (name) => `${name} ${isButton(name)}`, build, () => {});
  }

  get #isOpen() {
    return $("side").classList.contains("open");
  }
}

/** A list whose items are made, moved and removed one by one. */
class KeptList {
  #known = new Map();

  constructor(list) {
    this.list = list;
  }

  /** Shows these things in this order: `key` tells them apart, `build` makes an item's content, `update` brings it up to date. */
  show(things, key, build, update) {
    const wanted = new Set(things.map(key));
    for (const [known, item] of this.#known) {
      if (wanted.has(known)) continue;
      item.remove();
      this.#known.delete(known);
    }
    things.forEach((thing, place) => {
      if (!this.#known.has(key(thing))) this.#known.set(key(thing), element("li", {}, build(thing)));
      const item = this.#known.get(key(thing));
      update(item.firstElementChild, thing);
      if (this.list.children[place] !== item) this.list.insertBefore(item, this.list.children[place] ?? null);
    });
  }
}
