// Keeps a page up to date: on each change the server tells of, the page is read again and its
// content replaced. Times are said relative to now. Without this script the pages work as they are.
"use strict";

(() => {
  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

  function relative(then) {
    const seconds = (then - Date.now()) / 1000;
    for (const [unit, size] of units) {
      if (Math.abs(seconds) >= size) return words.format(Math.round(seconds / size), unit);
    }
    return "just now";
  }

  function tellTimes() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const text = relative(new Date(time.dateTime));
      if (time.textContent !== text) time.textContent = text;
    }
  }

  const badge = document.getElementById("live");
  const badgeWords = document.getElementById("live-words");

  function say(state, text) {
    badge.hidden = false;
    badge.dataset.state = state;
    badgeWords.textContent = text;
  }

  async function refresh() {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("main");
    const old = document.getElementById("main");
    if (!fresh || fresh.isEqualNode(old)) return;
    for (const details of old.querySelectorAll("details[open][id]")) {
      fresh.querySelector("#" + CSS.escape(details.id))?.setAttribute("open", "");
    }
    const focused = document.activeElement?.getAttribute("href");
    old.replaceWith(fresh);
    document.title = page.title;
    if (focused) fresh.querySelector('[href="' + CSS.escape(focused) + '"]')?.focus({ preventScroll: true });
    tellTimes();
  }

  function follow() {
    const stream = document.getElementById("main").dataset.stream;
    if (!stream) return;
    const source = new EventSource(stream);
    let busy = Promise.resolve();
    source.addEventListener("open", () => say("on", "live"));
    source.addEventListener("change", () => {
      busy = busy.then(refresh).catch(() => say("off", "not up to date"));
    });
    source.addEventListener("error", () => say("off", "reconnecting"));
    addEventListener("pagehide", () => source.close(), { once: true });
  }

  tellTimes();
  setInterval(tellTimes, 20000);
  follow();
  // a page from the browser's back list is an old one
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
