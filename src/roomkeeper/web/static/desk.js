// Keeps an open page as it is now. Without it, a page is as it was when it was loaded, and everything works all the same.
const path = document.body.dataset.live;
const main = document.getElementById("main");
const state = document.getElementById("state");

// A page that is put in another's place between a press and its release swallows the click.
let pressed = false;
addEventListener("pointerdown", () => { pressed = true; });
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => { pressed = false; }));

const busy = () => {
  const field = document.activeElement;
  const typing = field && main.contains(field) && field.matches("input, select, textarea");
  return pressed || typing || (window.getSelection() && String(window.getSelection()).length > 0);
};

// Times as the clock on the wall has them; whoever wants them in UTC points at one.
const zone = document.getElementById("zone");
const two = (number) => String(number).padStart(2, "0");

const localise = (within) => {
  for (const one of within.querySelectorAll("time[datetime]")) {
    const at = new Date(one.dateTime);
    if (one.title || Number.isNaN(at.getTime())) continue;
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const hour = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    const isShort = !one.textContent.includes("-");
    one.title = `${one.dateTime.slice(0, 19).replace("T", " ")} UTC`;
    one.textContent = isShort ? hour : `${day} ${hour}`;
  }
};

const named = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (named && new Date().getTimezoneOffset() !== 0) zone.textContent = `Times are those of ${named}; point at one for UTC.`;
localise(document);

const show = (html) => {
  const open = new Map([...main.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const scrolled = [...main.querySelectorAll(".wide, pre")].map((one) => one.scrollLeft);
  const links = [...main.querySelectorAll("a, button, summary, [tabindex]")];
  const focused = links.indexOf(document.activeElement);
  main.innerHTML = html;
  localise(main);
  for (const one of main.querySelectorAll("details[id]")) {
    if (open.has(one.id)) one.open = open.get(one.id);
  }
  main.querySelectorAll(".wide, pre").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
  if (focused >= 0) main.querySelectorAll("a, button, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
};

let source = null;
let held = null;

const listen = () => {
  source = new EventSource(path);
  source.onopen = () => { state.textContent = "This page is live."; };
  source.onmessage = (event) => { if (busy()) held = event.data; else { held = null; show(event.data); } };
  source.addEventListener("gone", () => { source.close(); state.textContent = "You are logged out. Reload to log in."; });
  source.onerror = () => {
    // Closed is what was refused: then it is not tried again.
    state.textContent = source.readyState === EventSource.CLOSED
      ? "This page is not live: reload it; if that does not help, close other pages of Roomkeeper."
      : "Roomkeeper does not answer; what you see may be old.";
  };
};

if (path) {
  listen();
  // A browser keeps few connections to one place: a tab that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => { source.close(); if (!document.hidden) listen(); });
  setInterval(() => { if (held !== null && !busy()) { show(held); held = null; } }, 1000);
}
