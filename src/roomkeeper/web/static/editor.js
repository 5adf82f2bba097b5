// The editor of the configuration: numbers beside the lines, what is wrong while one writes, and what may stand where
// one writes. Without it the text is a text, and the button below it checks it.
const editor = document.getElementById("editor");
const lines = editor.previousElementSibling;
const said = document.getElementById("said");
const offered = document.getElementById("offered");
const TYPED = "roomkeeper typed";
const PAUSE = 700; // milliseconds without a key before the text is looked at

const number = () => {
  const wrong = new Set([...said.querySelectorAll(".bad [data-line]")].map((one) => Number(one.dataset.line)));
  const count = editor.value.split("\n").length;
  lines.replaceChildren(...Array.from({ length: count }, (_, at) => {
    const one = document.createElement("span");
    one.textContent = `${at + 1}\n`;
    if (wrong.has(at + 1)) one.className = "wrong";
    return one;
  }));
};
const follow = () => { lines.style.height = `${editor.clientHeight}px`; lines.scrollTop = editor.scrollTop; };
const fit = () => { number(); follow(); };

document.addEventListener("click", (event) => {
  const line = Number(event.target.dataset?.line);
  if (!line) return;
  event.preventDefault();
  const begins = editor.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  editor.focus();
  editor.setSelectionRange(begins, begins + (editor.value.split("\n")[line - 1] || "").length);
  editor.scrollTop = Math.max(0, (line - 5) * (editor.scrollHeight / editor.value.split("\n").length));
  follow();
});

// --- what is wrong, while one writes: what the button would say, without leaving the text ---

let waiting = 0;
let asked = 0;
const check = async () => {
  const mine = ++asked;
  const form = new URLSearchParams(new FormData(editor.form));
  form.set("order", "check");
  const answer = await fetch(editor.form.action, { method: "POST", body: form }).catch(() => null);
  if (!answer?.ok || mine !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = page.getElementById("said");
  if (!now || mine !== asked) return;
  offered.parentElement.after(said); // above the text it would push away what one writes
  said.replaceChildren(...now.childNodes);
  fit();
};

// --- what may stand here ---

const INDENT = /^(\s*)((?:- )*)/;
const KEY = /^\s*(?:- )*([\w.]+):/;
let words = null;

const depth = (line) => { const [, blank, dashes] = line.match(INDENT); return blank.length + dashes.length; };

// The keys that one is inside of, from the innermost: each with its line.
const around = (text, at) => {
  const found = [];
  let inside = depth(text[at]) || Infinity;
  if (!text[at].trim()) inside = text[at].length || 0;
  for (let line = at - 1; line >= 0 && inside > 0; line -= 1) {
    if (!text[line].trim() || text[line].trim().startsWith("#")) continue;
    const own = text[line].match(INDENT)[1].length;
    const here = depth(text[line]);
    const key = text[line].match(KEY)?.[1];
    if (here < inside && key && /:\s*(#.*)?$/.test(text[line])) { found.push({ key, line, depth: here }); inside = here; }
    if (own < inside && own !== here) inside = Math.min(inside, here);
  }
  return found;
};

// The value of a key beside this line, in the same mapping.
const beside = (text, at, wanted) => {
  const level = depth(text[at]) || text[at].length;
  for (const way of [-1, 1]) {
    for (let line = at; line >= 0 && line < text.length; line += way) {
      if (!text[line].trim()) continue;
      const here = depth(text[line]);
      if (here < level && !(way < 0 && text[line].match(INDENT)[2])) break;
      if (here === level) {
        const found = text[line].match(/^\s*(?:- )*([\w.]+):\s*["']?([\w.-]+)/);
        if (found && found[1] === wanted) return found[2];
        if (way < 0 && text[line].match(INDENT)[2]) break;
        if (way > 0 && line !== at && text[line].match(INDENT)[2]) break;
      }
    }
  }
  return "";
};

const named = (text, section) => {
  const begins = text.findIndex((line) => line.startsWith(`${section}:`));
  const found = [];
  for (let line = begins + 1; begins >= 0 && line < text.length && !/^\S/.test(text[line]); line += 1) {
    const one = text[line].match(/^ {2}([\w-]+):/);
    if (one) found.push(one[1]);
  }
  return Object.fromEntries(found.map((one) => [one, "a connection of this file"]));
};

// What may stand at the caret: as keys, or as the value of the line's key.
const fitting = () => {
  const text = editor.value.split("\n");
  const before = editor.value.slice(0, editor.selectionStart).split("\n");
  const at = before.length - 1;
  const written = before[at];
  const value = written.match(/^\s*(?:- )*([\w.]+):\s+["']?([\w.-]*)$/);
  const way = around(text, at);
  const [inner, outer, beyond] = way.map((one) => one.key);
  if (value) {
    const begun = value[2];
    if (value[1] === "on") return { begun, offers: words.events };
    if (value[1] === "do") return { begun, offers: words.steps };
    if (value[1] === "type" && outer === "connections") return { begun, offers: words.types };
    if (value[1] === "via" || value[1] === "from") return { begun, offers: named(text, "connections") };
    return null;
  }
  const key = written.match(/^\s*(?:- )*([\w.]*)$/);
  if (!key) return null;
  const begun = key[1];
  const made = (offers) => ({ begun, offers: offers || {}, ending: ": " });
  if (!way.length) return made(written.match(/^\s+/) ? {} : words.top);
  if (inner === "automations") return made(words.automation);
  if (inner === "steps") return made(words.step);
  if (inner === "with" && outer === "steps") return made(words.with[beside(text, way[0].line, "do")]);
  if (inner === "where" && outer === "automations") return made(words.where[beside(text, way[0].line, "on")]);
  if (outer === "connections" && !beyond) return made(words.connections[beside(text, at, "type")] || { type: "What it is." });
  return null;
};

const take = (word, begun, ending) => {
  const end = editor.selectionStart;
  editor.focus();
  editor.setSelectionRange(end - begun.length, end);
  // Whatever is typed can be undone, and so can this; a browser that does not know the order has the other way.
  if (!document.execCommand("insertText", false, `${word}${ending}`)) editor.setRangeText(`${word}${ending}`, end - begun.length, end, "end");
  changed();
};

const MOST = 14;
const offer = () => {
  const here = words && document.activeElement === editor ? fitting() : null;
  const many = here ? Object.entries(here.offers).filter(([word]) => word.startsWith(here.begun) && word !== here.begun) : [];
  offered.replaceChildren(...many.slice(0, MOST).map(([word, meaning]) => {
    const one = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = word;
    button.addEventListener("click", () => take(word, here.begun, here.ending || ""));
    one.append(button, ` ${meaning}`);
    return one;
  }));
  offered.parentElement.hidden = many.length === 0;
};

const putBack = (typed) => {
  const card = document.createElement("p");
  card.className = "card wait";
  card.textContent = "What you typed before did not arrive. ";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Put it back";
  button.addEventListener("click", () => { editor.value = typed; card.remove(); changed(); editor.focus(); });
  card.append(button);
  editor.form.before(card);
};

const changed = () => {
  fit();
  offer();
  clearTimeout(waiting);
  waiting = setTimeout(check, PAUSE);
};

if (!editor.readOnly) {
  // What was not published is lost with the page: the browser asks before.
  document.querySelector("[data-at-once]")?.click();
  const base = editor.form.elements.base.value;
  let leaves = false;
  // What is sent once one is logged out does not arrive: it stays in this tab until the page has it again.
  const typed = sessionStorage.getItem(TYPED);
  sessionStorage.removeItem(TYPED);
  if (typed !== null && typed !== editor.value && !new URLSearchParams(location.search).has("came")) putBack(typed);
  editor.form.addEventListener("submit", () => { leaves = true; sessionStorage.setItem(TYPED, editor.value); });
  window.addEventListener("beforeunload", (event) => {
    if (!leaves && editor.value !== base) event.preventDefault();
  });
  fetch("/configuration/words").then((answer) => answer.json()).then((found) => { words = found; offer(); }).catch(() => {});
  editor.addEventListener("input", changed);
  for (const moved of ["keyup", "click"]) editor.addEventListener(moved, offer);
  editor.addEventListener("keydown", (event) => {
    const first = offered.querySelector("button");
    if (event.key !== " " || !event.ctrlKey || !first) return;
    event.preventDefault();
    first.focus();
  });
  offered.addEventListener("keydown", (event) => {
    const all = [...offered.querySelectorAll("button")];
    const to = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") editor.focus();
    if (!to) return;
    event.preventDefault();
    all[(all.indexOf(document.activeElement) + to + all.length) % all.length].focus();
  });
}
editor.addEventListener("scroll", follow);
new ResizeObserver(follow).observe(editor);
fit();
