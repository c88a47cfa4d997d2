// Lists, filters and keys of the gallery. Without this, all images are shown one behind the other.
const data = JSON.parse(document.getElementById("data").textContent);
const box = document.getElementById("cards"), form = document.getElementById("filters"), about = document.getElementById("about");
const count = document.getElementById("count"), links = [...document.querySelectorAll(".tabs a")];
const cards = [...box.children], texts = [];
const kinds = ["set", "model", "bin", "confusion", "text"], page = 48;
let tab = "errors", chosen = {}, found = [], shown = page;

const more = document.createElement("p");
more.className = "more";
more.innerHTML = '<button type="button">Show more</button> <button type="button">Show all</button>';
box.after(more);
box.classList.add("running");
form.hidden = false;

const textOf = (number) =>
  (texts[number] ??= [...cards[number].querySelectorAll(".text")].map((one) => one.textContent).join("\n").toLowerCase());

const fits = (number) => {
  const [set, wrong, groups] = data.cards[number];
  return (
    (!chosen.set || set === +chosen.set) &&
    (!chosen.model || wrong.includes(+chosen.model)) &&
    ["bin", "confusion"].every((kind) => !chosen[kind] || groups.includes(+chosen[kind])) &&
    (!chosen.text || textOf(number).includes(chosen.text.toLowerCase()))
  );
};

const address = () =>
  "#" + [tab, ...kinds.filter((kind) => chosen[kind]).map((kind) => `${kind}=${encodeURIComponent(chosen[kind])}`)].join("&");

const draw = () => {
  box.replaceChildren(...found.slice(0, shown).map((number) => cards[number]));
  for (const why of box.querySelectorAll(".why")) why.style.display = why.dataset.tab === tab ? "block" : "";
  for (const card of box.children) card.tabIndex = -1;
  if (box.firstChild) box.firstChild.tabIndex = 0;
  more.hidden = found.length <= shown;
  const names = { set: data.sets[chosen.set], model: data.models[chosen.model] && `wrong for ${data.models[chosen.model]}`,
    bin: data.groups[chosen.bin], confusion: data.groups[chosen.confusion], text: chosen.text && `“${chosen.text}”` };
  const filters = kinds.map((kind) => names[kind]).filter(Boolean);
  const images = `${found.length} image${found.length === 1 ? "" : "s"}`;
  count.textContent = images + (filters.length ? `: ${filters.join("; ")}` : "") + (found.length || !filters.length ? "" : ". Clear the filters to see others.");
};

const apply = () => {
  found = data.tabs[tab].filter(fits);
  shown = page;
  for (const link of links) {
    if (link.id === tab) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  }
  about.textContent = links.find((link) => link.id === tab).dataset.about;
  for (const kind of kinds) if (form.elements[kind]) form.elements[kind].value = chosen[kind] ?? "";
  draw();
};

// An address says what is shown, so that it can be kept and passed on.
const follow = () => {
  const [name, ...parts] = (location.hash.slice(1) || "errors").split("&");
  if (!(name in data.tabs)) return false;
  tab = name;
  chosen = {};
  for (const part of parts) {
    const [kind, value] = part.split("=");
    if (!kinds.includes(kind)) continue;
    try { chosen[kind] = decodeURIComponent(value ?? ""); } catch { /* no text, no filter */ }
  }
  apply();
  return true;
};
const show = (next, scroll) => {
  if (next) tab = next;
  history.replaceState(null, "", address());
  apply();
  if (scroll) document.getElementById("gallery").scrollIntoView();
};

for (const link of document.querySelectorAll("a[data-show]")) link.href = `#${link.dataset.show}`;
addEventListener("hashchange", () => { if (follow()) document.getElementById("gallery").scrollIntoView(); });
form.addEventListener("input", () => {
  chosen = Object.fromEntries(kinds.map((kind) => [kind, form.elements[kind]?.value ?? ""]));
  show();
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => { event.preventDefault(); chosen = {}; show(); });
more.addEventListener("click", (event) => {
  if (event.target.tagName !== "BUTTON") return;
  const first = shown;
  shown = event.target === more.firstElementChild ? shown + page : found.length;
  draw();
  focusCard(box.children[first]);
});

const focusCard = (card) => {
  if (!card) return;
  for (const other of box.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  card.tabIndex = 0;
  card.focus();
};
// The card nearest in the row above or below.
const beside = (card, direction) => {
  const own = card.getBoundingClientRect(), list = [...box.children];
  const rest = direction > 0 ? list.slice(list.indexOf(card) + 1) : list.slice(0, list.indexOf(card)).reverse();
  const other = rest.find((one) => Math.abs(one.getBoundingClientRect().top - own.top) > 4);
  if (!other) return null;
  const top = other.getBoundingClientRect().top, row = rest.filter((one) => Math.abs(one.getBoundingClientRect().top - top) <= 4);
  const away = row.map((one) => Math.abs(one.getBoundingClientRect().left - own.left));
  return row[away.indexOf(Math.min(...away))];
};
const goal = (card, key) => {
  // From elsewhere, only where the images can be seen.
  if (!card) return key === "ArrowRight" && box.getBoundingClientRect().top < innerHeight ? box.firstElementChild : null;
  return { ArrowRight: card.nextElementSibling, ArrowLeft: card.previousElementSibling, Home: box.firstElementChild,
    End: box.lastElementChild, ArrowDown: beside(card, 1), ArrowUp: beside(card, -1) }[key];
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const active = document.activeElement, search = form.elements.text;
  if (event.key === "Escape" && (kinds.some((kind) => chosen[kind]) || active === search)) {
    chosen = {};
    search.blur();
    show();
    return;
  }
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName)) return;
  const card = active.closest?.(".card");
  if (event.key === "/") {
    event.preventDefault();
    search.focus();
  } else if (links[event.key - 1]) {
    show(links[event.key - 1].id, true);
  } else if (card || active === document.body) {
    const next = goal(card, event.key);
    if (!next) return;
    event.preventDefault();
    focusCard(next);
  }
});

// Some pictures beside the reasons why they are not read; where the label may be wrong, there is another reason.
for (const strip of document.querySelectorAll(".strip")) {
  const set = /set=(\d+)/.exec(strip.dataset.show)?.[1];
  const numbers = data.tabs.confident.filter(
    (number) => (set === undefined || data.cards[number][0] === +set) && !data.tabs.doubts.includes(number));
  for (const number of numbers.slice(0, strip.dataset.most)) {
    const link = document.createElement("a"), picture = cards[number].querySelector("img");
    if (!picture) continue;
    link.href = `#${strip.dataset.show}`;
    const wrong = cards[number].querySelector(".bad").closest("dd").querySelector(".text");
    link.append(picture.cloneNode(), cards[number].querySelector(".text").cloneNode(true), wrong.cloneNode(true));
    strip.append(link);
  }
}
for (const matrix of document.querySelectorAll(".matrix")) {
  const output = matrix.closest(".scroll").nextElementSibling;
  const tell = (event) => { output.textContent = event.target.closest("a")?.getAttribute("aria-label") ?? ""; };
  matrix.addEventListener("pointerover", tell);
  matrix.addEventListener("focusin", tell);
}
addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
if (!follow()) apply();
else if (location.hash) document.getElementById("gallery").scrollIntoView();
