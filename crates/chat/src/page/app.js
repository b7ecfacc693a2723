// The chat as a page: rooms, private conversations, history, names, unread marks. Comes back after a lost connection
// without a gap or a double, like chat-client does.

import { Wire, Refused, element, explain, harmless } from "/wire.js";
import { ConnectionState } from "/state.js";
import { commands } from "/commands.js";
import { Line } from "/line.js";
import { Log } from "/log.js";
import { Outgoing } from "/outgoing.js";
import { Place, lineOf } from "/place.js";
import { Side } from "/side.js";

const HISTORY_LIMIT = 50;
/** Refusals that pass by themselves: who comes back may be let in a little later. */
const PASSING = new Set([
  "rate_limited",
  "shutting_down",
  "too_many_connections",
  "internal",
  "busy",
  "name_taken",
  "too_many_rooms",
  "history_unavailable",
]);
const $ = (id) => document.getElementById(id);

let wire = null;
let me = null; // { name, token, password }
let current = null;
const places = new Map();
const request = (op, fields) => wire.request(op, fields);
const state = new ConnectionState($("state"), () => wire?.tryNow());
const log = new Log();
const side = new Side({ choose, write: (name) => choose(conversation(name)) });
const outgoing = new Outgoing({
  request,
  add,
  remove: (place, line) => place.remove(line),
});

// --- Joining, and coming back ---

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  me = { name: form.get("name").trim(), password: form.get("password") || undefined };
  const lobby = form.get("room").trim();
  $("join-error").textContent = "";
  $("join").setAttribute("aria-busy", "true");
  wire?.close();
  wire = new Wire({
    open: () => (me.token ? comeBack() : join(lobby)),
    event: receive,
    lost: (pause, why) => (me.token ? state.lost(pause, why) : refuse("The chat cannot be reached. Try again.")),
    clock: (time) => ($("clock").value = time),
  });
});

async function join(room) {
  try {
    const joined = await request("join", { name: me.name, password: me.password, room });
    me.name = joined.name;
    me.token = joined.token;
    $("door").hidden = true;
    $("chat").hidden = false;
    state.connected();
    arrive(joined);
    show(places.get(joined.room));
    $("text").focus();
  } catch (error) {
    if (error instanceof Refused) refuse(explain(error));
  }
}

/** Not let in: the form stays, and says why. */
function refuse(why) {
  wire.close();
  $("join").removeAttribute("aria-busy");
  $("join-error").textContent = why;
}

/** Takes up every room where it was left; then sends again what the replays show was not carried out. */
async function comeBack() {
  const rooms = [...places.values()].filter((place) => place.isRoom);
  for (const room of rooms) room.leaveOff();
  const lost = outgoing.unconfirmed;
  try {
    const [first, ...others] = rooms;
    const joined = await request("join", { name: me.name, token: me.token, password: me.password, room: first?.name, since: first?.seq });
    me.token = joined.token;
    first?.takeUp(joined.seq);
    await Promise.all(others.map(async (room) => room.takeUp((await request("enter", { room: room.name, since: room.seq })).seq)));
    // Replies come in order, so the replays are through once this one is there.
    await Promise.all(rooms.map(readPeople));
  } catch (error) {
    if (!(error instanceof Refused)) return;
    if (PASSING.has(error.code)) return wire.retry(harmless(error.message));
    notice(current, `could not come back: ${explain(error)}`, true);
    state.ended();
    return;
  }
  state.connected();
  outgoing.sendAgain(lost);
}

/** Goes, whether the hub can be told or not. */
async function leave() {
  await request("leave").catch(() => {});
  location.reload();
}

// --- What arrives ---

function receive(event) {
  switch (event.event) {
    case "told":
      return add(conversation(event.from), Line.message({ ...event, me: me.name, isPrivate: true }));
    case "lagged":
      places.get(event.room)?.lag();
      return notice(places.get(event.room), `${event.missed} messages were missed; older ones are in the history`);
    case "error":
      // Coming back would take the name back, and back again.
      if (event.code === "taken_over") {
        wire.close();
        state.ended();
      }
      return notice(current, explain(event), true);
    default: {
      const place = places.get(event.room);
      if (!place || event.seq <= place.seq) return;
      place.seq = event.seq;
      if (event.event === "said" && event.from === me.name && outgoing.confirmFirst(place, event)) return;
      follow(place, event);
      add(place, lineOf(event, me.name));
    }
  }
}

function follow(place, event) {
  place.follow(event);
  if (event.event !== "said" && place === current) side.drawPeople(place, me.name);
}

// --- What is sent ---

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text.trim()) return;
  $("text").value = "";
  if (text.trim() === "sair") leave();
  else if (text.startsWith("/")) command(text);
  else outgoing.say(current, text, me.name);
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("say").requestSubmit();
});

const COMMANDS = commands({
  enter: (room) => enter(room),
  exit: () => leaveCurrent(),
  leave,
  tell: (name, text) => {
    show(conversation(name));
    outgoing.say(current, text, me.name);
  },
  rename: (name) => attempt(async () => {
    const renamed = await request("rename", { name });
    for (const [room, seq] of Object.entries(renamed.rooms)) {
      const place = places.get(room);
      follow(place, { event: "renamed", name: me.name, to: renamed.name });
      place.seq = Math.max(place.seq, seq);
      notice(place, `you are now ${renamed.name}`);
    }
    me.name = renamed.name;
    side.drawPeople(current, me.name);
  }),
  register: (password) => attempt(async () => {
    await request("register", { password });
    me.password = password;
    notice(current, "your name is protected by that password now");
  }),
  notice: (text, isTrouble) => notice(current, text, isTrouble),
});

function command(line) {
  const [word, ...rest] = line.split(" ");
  const run = COMMANDS.get(word);
  if (run) run(rest.join(" ").trim());
  else notice(current, `there is no ${word}; /help lists the commands`, true);
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    notice(current, explain(error), true);
  }
}

// --- Rooms and conversations ---

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const room = $("enter-room").value.trim();
  $("enter-room").value = "";
  enter(room);
});
$("enter-room").addEventListener("focus", () =>
  attempt(async () => {
    const { rooms } = await request("rooms");
    $("known-rooms").replaceChildren(...rooms.map(({ room, members }) => element("option", { value: room }, `${members} here`)));
  }),
);
$("leave-room").addEventListener("click", () => leaveCurrent());
$("leave").addEventListener("click", leave);
$("older").addEventListener("click", () => attempt(() => readHistory(current)));

function enter(room) {
  return attempt(async () => {
    if (!places.has(room)) arrive(await request("enter", { room }));
    choose(places.get(room) ?? [...places.values()].at(-1));
  });
}

/** A room was entered: its people and its latest history. */
function arrive({ room, seq }) {
  const place = placed(room, true);
  place.seq = seq;
  place.first = seq;
  attempt(() => Promise.all([readPeople(place), readHistory(place)]));
}

function leaveCurrent() {
  return attempt(async () => {
    const left = current;
    if (left.isRoom) await request("exit", { room: left.name });
    places.delete(left.name);
    const next = [...places.values()].find((place) => place.isRoom);
    if (next) choose(next);
    else await enter("lobby");
  });
}

async function readPeople(place) {
  const { members } = await request("who", { room: place.name });
  place.people = new Set(members);
  if (place === current) side.drawPeople(place, me.name);
}

async function readHistory(place) {
  const { events, more } = await request("history", { room: place.name, before: place.first, limit: HISTORY_LIMIT });
  place.prepend(events.map((event) => lineOf(event, me.name)));
  if (events.length) place.first = events[0].seq;
  place.hasOlder = more;
  log.redraw(place);
}

function conversation(name) {
  return placed(`@${name}`, false);
}

function placed(name, isRoom) {
  let place = places.get(name);
  if (!place) places.set(name, (place = new Place(name, isRoom)));
  return place;
}

// --- What is shown ---

/** Shows a place that was chosen, ready to write there. */
function choose(place) {
  const isOverLog = $("side").classList.contains("open");
  show(place);
  // On a small screen a keyboard would cover half of what was chosen.
  if (!isOverLog) $("text").focus();
}

function show(place) {
  if (current) current.draft = $("text").value;
  current = place;
  $("text").value = place.draft;
  $("room-name").textContent = harmless(place.name);
  $("leave-room").textContent = place.isRoom ? "Leave room" : "Close";
  side.open(false);
  log.show(place);
  read();
  side.drawPeople(place, me.name);
}

/** What is shown has been read. */
function read() {
  current.unread = 0;
  current.isUrgent = false;
  drawRooms();
}

function add(place, line) {
  place.append(line);
  if (place === current) log.append(line);
  if (line.counts && (place !== current || document.hidden)) {
    // Nobody looks at what is shown.
    if (place === current && !place.unread) place.markFrom(line);
    place.unread += 1;
    place.isUrgent ||= line.isForMe;
  }
  drawRooms();
}

function notice(place, text, isTrouble = false) {
  if (place) add(place, Line.notice(text, { isTrouble }));
}

function drawRooms() {
  side.drawRooms([...places.values()], current);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && current) read();
});
