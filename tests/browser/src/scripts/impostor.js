// A service in the page: it answers each operation with what `window.answers` has for it, or refuses it.

window.answers = {};
window.asked = [];
window.tell = (line) => window.impostor.says({ lamport: 1, ...line });

window.WebSocket = class {
  static OPEN = 1;
  readyState = 1;

  constructor() {
    window.impostor = this;
    setTimeout(() => this.says({ service: "impostor", protocol: 1, version: "0", connection: "0-0" }));
  }

  send(line) {
    const request = JSON.parse(line);
    if (request.op === "pong") return;
    window.asked.push(request);
    const answer = window.answers[request.op] ?? { error: { code: "unknown_operation", message: request.op } };
    setTimeout(() => this.says({ lamport: request.lamport + 2, id: request.id, ...answer }));
  }

  says(line) {
    this.onmessage?.({ data: JSON.stringify(line) });
  }

  close() {
    this.readyState = 3;
    setTimeout(() => this.onclose?.());
  }
};
