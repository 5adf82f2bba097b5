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

const named = Intl.DateTimeFormat().resolvedOptions().timeZone;
const isElsewhere = named && new Date().getTimezoneOffset() !== 0;

const localise = (within) => {
  for (const form of isElsewhere ? within.querySelectorAll("form.filter") : []) { // days are asked for by that clock, too
    const field = document.createElement("input");
    [field.type, field.name, field.value] = ["hidden", "zone", named];
    form.append(field);
  }
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

if (isElsewhere) zone.textContent = `Times are those of ${named}; point at one for UTC.`;
localise(document);
document.querySelector("header nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

const nameOf = (one) => [one.tagName, one.id, one.getAttribute("href"), one.closest("[id]")?.id, one.textContent.trim()].join(" ");

const show = (html) => {
  const open = new Map([...main.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const scrolled = [...main.querySelectorAll(".wide, pre")].map((one) => one.scrollLeft);
  const focused = main.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  main.innerHTML = html;
  localise(main);
  for (const one of main.querySelectorAll("details[id]")) {
    if (open.has(one.id)) one.open = open.get(one.id);
  }
  main.querySelectorAll(".wide, pre").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
  // Rows come and go above: what had the focus is found by what it is, and not by how many are before it.
  const again = focused && [...main.querySelectorAll("a, button, summary, [tabindex]")].find((one) => nameOf(one) === focused);
  if (again) again.focus({ preventScroll: true });
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
