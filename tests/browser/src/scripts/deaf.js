// While `window.deaf` is true, what the service sends does not reach the page.

window.WebSocket = class extends WebSocket {
  set onmessage(handler) {
    super.onmessage = (event) => {
      if (window.deaf) window.missed = (window.missed ?? 0) + 1;
      else handler(event);
    };
  }
};
