// Many events at once: where there is no room for marks of their own, those that look alike are one line of dots, and messages
// that look alike one bundle of strokes. A browser draws ten shapes of a thousand strokes much faster than a thousand shapes.

/** From so many events in sight on, single marks would touch each other. */
export const CROWD_FROM = 350;

/** The strokes of everything that looks alike. */
export class Crowd {
  #paths = new Map();
  #strokes = new Map();

  /** @param make - makes an SVG element of that name with these attributes. */
  constructor(parent, make) {
    this.root = parent;
    this.make = make;
  }

  dot(look, x, y) {
    this.#add(`dot ${look}`, `M${x.toFixed(1)} ${y}h0`);
  }

  message(look, x1, y1, x2, y2) {
    this.#add(`arrow ${look}`, `M${x1.toFixed(1)} ${y1}L${x2.toFixed(1)} ${y2}`);
  }

  #add(look, stroke) {
    const strokes = this.#strokes.get(look);
    if (strokes) strokes.push(stroke);
    else this.#strokes.set(look, [stroke]);
  }

  /** Shows what was added since the last frame, and nothing else. */
  show() {
    for (const [look, path] of this.#paths) {
      if (this.#strokes.has(look)) continue;
      path.remove();
      this.#paths.delete(look);
    }
    for (const [look, strokes] of this.#strokes) {
      let path = this.#paths.get(look);
      if (!path) {
        this.#paths.set(look, (path = this.make("path", { class: look })));
        if (look.startsWith("dot")) this.root.append(path);
        else this.root.prepend(path);
      }
      path.setAttribute("d", strokes.join(""));
    }
    this.#strokes.clear();
  }
}
