// Everything here is a convenience: without it every page reads and every button works.
"use strict";
(() => {
  const $ = (q, at = document) => at.querySelector(q);
  const $$ = (q, at = document) => [...at.querySelectorAll(q)];

  // The tab of this page is in sight, also where the others leave it no room.
  $(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // --- live: the stream says what kinds of thing changed; each part of the page asks for itself again ---

  const REST = 1000; // a part asks at most this often, in ms
  const asked = new WeakMap();
  const pause = $("#pause");
  let paused = false;
  let missed = new Set();
  try { paused = localStorage.getItem("waybill-paused") === "yes"; } catch { /* no storage: not paused */ }

  // busy says that somebody is in the middle of something that a new page would disturb.
  const busy = (part) => {
    const at = document.activeElement;
    if (at && part.contains(at) && at.matches("input, textarea, select")) return true;
    const picked = getSelection();
    return picked && !picked.isCollapsed && part.contains(picked.anchorNode);
  };

  const ask = (part) => {
    if (!part.isConnected) return;
    if (busy(part)) { setTimeout(() => ask(part), REST); return; }
    asked.set(part, { at: Date.now(), timer: null });
    htmx.trigger(part, "refresh");
  };

  const changed = (kinds) => {
    for (const part of $$("[data-live]")) {
      if (!part.dataset.live.split(" ").some((kind) => kinds.has(kind))) continue;
      const last = asked.get(part) || { at: 0, timer: null };
      if (last.timer) continue;
      const wait = Math.max(250, last.at + REST - Date.now());
      last.timer = setTimeout(() => ask(part), wait);
      asked.set(part, last);
    }
  };

  const lamp = (word) => {
    if (!pause) return;
    pause.hidden = false;
    pause.dataset.state = word.toLowerCase();
    pause.setAttribute("aria-pressed", String(paused));
    pause.title = paused ? "Show changes again as they happen" : "Stop showing changes as they happen";
    $(".live-word", pause).textContent = word;
  };

  document.addEventListener("changed", (e) => {
    let kinds;
    try { kinds = new Set(JSON.parse(e.detail.data)); } catch { return; }
    if (paused) { kinds.forEach((k) => missed.add(k)); lamp("Paused"); return; }
    changed(kinds);
  });
  // The stream greets each time it is opened: what changed while it was not (a hidden tab, a restart) is asked for.
  let greeted = false;
  document.addEventListener("hello", () => {
    lamp(paused ? "Paused" : "Live");
    const all = new Set($$("[data-live]").flatMap((part) => part.dataset.live.split(" ")));
    if (greeted && paused) all.forEach((k) => missed.add(k));
    else if (greeted) changed(all);
    greeted = true;
  });
  document.addEventListener("htmx:sse:error", () => lamp("Offline"));
  // A stream that was open once opens itself again; one that never was does not.
  const first = setInterval(() => {
    if (greeted) { clearInterval(first); return; }
    lamp("Offline");
    htmx.trigger($("#live"), "again");
  }, 5000);
  document.addEventListener("htmx:sse:after:connection", () => lamp(paused ? "Paused" : "Live"));

  const togglePause = () => {
    if (!pause) return;
    paused = !paused;
    try { localStorage.setItem("waybill-paused", paused ? "yes" : "no"); } catch { /* only for this page */ }
    lamp(paused ? "Paused" : "Live");
    if (!paused) { changed(missed); missed = new Set(); }
  };
  if (pause) pause.addEventListener("click", togglePause);

  // Readers of the page by ear get counts, not rows.
  const told = $("#told");
  document.addEventListener("htmx:after:swap", () => {
    const fresh = $(".newer");
    const text = fresh ? fresh.textContent.trim() + " events" : "";
    if (told && told.textContent !== text) told.textContent = text;
    ready();
  });

  // --- rows: j and k go through what a list or a journey holds ---

  const rows = () => $$("[data-row]").filter((r) => r.offsetParent !== null);
  let here = -1;
  const goTo = (step) => {
    const list = rows();
    if (!list.length) return;
    const before = $(".here");
    here = before ? list.indexOf(before) : here;
    here = Math.max(0, Math.min(list.length - 1, here + step));
    if (before) before.classList.remove("here");
    const row = list[here];
    row.classList.add("here");
    const link = $("a.row", row) || (row.tabIndex === -1 && row);
    if (link) link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };

  // --- keys: each is also a link or a button ---

  const places = { o: "/", e: "/events", p: "/problems", c: "/connections", a: "/audit" };
  let going = 0;
  const keys = {
    "/": () => { const find = $("#find"); if (find) { find.focus(); find.select(); } },
    "?": () => { const k = $("#keys"); if (k) k.togglePopover(); },
    g: () => { going = Date.now(); },
    j: () => goTo(1),
    k: () => goTo(-1),
    n: () => { const next = $('a[rel="next"]'); if (next) next.click(); },
    p: togglePause,
    r: () => {
      const advised = $(".acts .btn.primary") || $(".acts .btn");
      if (advised) { advised.focus(); advised.scrollIntoView({ block: "center" }); }
    },
  };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    if (e.target.closest("input, textarea, select")) {
      if (e.key === "Escape") e.target.blur();
      return;
    }
    if (Date.now() - going < 1200 && places[e.key]) { going = 0; location.assign(places[e.key]); return; }
    const act = keys[e.key];
    if (act) { e.preventDefault(); act(); }
  });

  // --- copying, and a second press that must not count ---

  const ready = () => {
    for (const button of $$("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
  };
  document.addEventListener("click", async (e) => {
    const button = e.target.closest("[data-copy]");
    if (!button) return;
    const text = button.parentElement.querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.lastChild.textContent = "Copied";
    } catch {
      button.lastChild.textContent = "Select it and copy";
    }
    setTimeout(() => { button.lastChild.textContent = "Copy"; }, 1500);
  });
  document.addEventListener("submit", (e) => {
    if (e.target.method !== "post") return;
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    e.target.dataset.sent = "yes";
    setTimeout(() => { delete e.target.dataset.sent; }, 3000);
  });

  // --- a link to a station opens what is in it ---

  const land = () => {
    if (!/^#[a-z0-9_]+$/.test(location.hash)) return;
    const station = document.getElementById(location.hash.slice(1));
    if (!station || !station.matches(".station")) return;
    const last = $$("details.attempt", station).pop();
    if (last) last.open = true;
  };
  addEventListener("hashchange", land);

  ready();
  land();
})();
