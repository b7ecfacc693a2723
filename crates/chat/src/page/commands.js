// What can be typed instead of a message.

const HELP = "/enter ROOM, /exit, /msg NAME TEXT, /nick NAME, /register PASSWORD, /quit";

/**
 * The commands by their words; each takes what stands behind its word.
 * @param {object} act - `enter(room)`, `exit()`, `leave()`, `tell(name, text)`, `rename(name)`, `register(password)` and
 *   `notice(text, isTrouble)`.
 */
export function commands(act) {
  return new Map([
    ["/enter", (room) => act.enter(room)],
    ["/exit", () => act.exit()],
    ["/msg", (rest) => {
      const [, name, text] = splitAddressee(rest) ?? [];
      if (name) act.tell(name, text);
      else act.notice("use /msg NAME TEXT", true);
    }],
    ["/nick", (name) => act.rename(name)],
    ["/register", (password) => act.register(password)],
    ["/quit", () => act.leave()],
    ["/help", () => act.notice(HELP)],
  ]);
}

/** `Ana hello` or `"Ana Maria" hello`. */
function splitAddressee(rest) {
  return rest.match(/^"([^"]+)"\s+(.+)$/s) ?? rest.match(/^(\S+)\s+(.+)$/s);
}
