// Draws the tiers, the tray, the deck and the marked pairs from the store; cards keep their elements when they move.

import { store, busySeconds, placeOf, addTier, removeTier, mark } from "./page.store.js";

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const ON_CARD = 4;
const VIRIDIS = [[253, 231, 37], [122, 209, 81], [34, 168, 132], [42, 120, 142], [65, 68, 135], [68, 1, 84]];
const elements = new Map();
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export function make(tag, values = {}, ...children) {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...children);
  return element;
}

export function say(text) {
  $("#live").textContent = "";
  requestAnimationFrame(() => { $("#live").textContent = text; });
}

export function placeName(place) {
  const [kind, index] = place.split(":");
  if (kind === "tier") return `tier ${+index + 1} of ${store.now.tiers.length}`;
  if (kind === "gap") {
    const { length } = store.now.tiers;
    if (+index === 0) return "a new tier on top";
    return +index === length ? "a new tier at the bottom" : `a new tier between ${+index} and ${+index + 1}`;
  }
  return kind === "tray" ? "“Not comparable”" : "the unplaced cards";
}

export function cardName(number) {
  const { category } = store.cards.get(number);
  return category && store.view.category ? `Card ${number}, ${category}` : `Card ${number}`;
}

// Fills a box with patches of a card, beginning anywhere, and notes how many were seen.
export function showPatches(box, number, first, count) {
  const card = store.cards.get(number);
  const shown = Math.min(count, card.patches);
  const places = Array.from({ length: shown }, (_, step) => (first + step) % card.patches);
  card.seen = Math.max(card.seen, ...places.map((place) => place + 1));
  box.replaceChildren(...places.map((place) => make("img", {
    src: `patch/${number}/${place}.png?of=${store.fixed.of}`, alt: "", draggable: false, decoding: "async",
  })));
}

export function others(number) {
  const card = store.cards.get(number);
  if (card.patches <= ON_CARD) return say(`Card ${number} has no other patches.`);
  const first = ((store.offsets.get(number) || 0) + ON_CARD) % card.patches;
  store.offsets.set(number, first);
  showPatches($(".patches", elements.get(number)), number, first, ON_CARD);
  return say(`Card ${number} shows other patches.`);
}

export const cardElement = (number) => elements.get(number);

function cardOf(number) {
  if (!elements.has(number)) {
    const element = $("#card").content.firstElementChild.cloneNode(true);
    element.dataset.card = number;
    $(".number", element).textContent = number;
    $(".size", element).textContent = store.cards.get(number).size;
    $(".others", element).setAttribute("aria-label", `Other patches of card ${number}`);
    $(".others", element).title = "Other patches";
    showPatches($(".patches", element), number, store.offsets.get(number) || 0, ON_CARD);
    elements.set(number, element);
  }
  const element = elements.get(number);
  const warned = store.found.filter((one) => one.cards.includes(number)).length;
  const marked = store.now.marks.filter((one) => one.a === number || one.b === number).length;
  $(".category", element).textContent = store.view.category ? store.cards.get(number).category || "" : "";
  $(".warn", element).hidden = !warned;
  $(".pairs", element).hidden = !marked;
  $(".pairs", element).textContent = `⇄${marked}`;
  element.classList.toggle("contradicts", warned > 0);
  element.tabIndex = number === store.active ? 0 : -1;
  const notes = [warned && `${warned} contradictions`, marked && `${marked} marked pairs`].filter(Boolean);
  element.setAttribute("aria-label", [cardName(number), `in ${placeName(placeOf(number))}`, ...notes].join(", "));
  return element;
}

function tone(index, count) {
  const at = count < 2 ? 0 : (index / (count - 1)) * (VIRIDIS.length - 1);
  const [low, part] = [Math.min(Math.floor(at), VIRIDIS.length - 2), at - Math.min(Math.floor(at), VIRIDIS.length - 2)];
  return `rgb(${VIRIDIS[low].map((value, i) => Math.round(value + (VIRIDIS[low + 1][i] - value) * part)).join(" ")})`;
}

function gap(index) {
  const button = make("button", { type: "button", textContent: "+ tier", onclick: () => addTier(index) && draw() });
  button.setAttribute("aria-label", `Add ${placeName(`gap:${index}`).replace("a new", "a")}`);
  button.dataset.focus = `gap:${index}`;
  const element = make("div", { className: "gap" }, button);
  element.dataset.place = `gap:${index}`;
  return element;
}

function tier(cards, index) {
  const { length } = store.now.tiers;
  const remove = make("button", { type: "button", className: "remove", textContent: "×", title: "Remove this tier" });
  remove.setAttribute("aria-label", `Remove tier ${index + 1}; its cards go back to the unplaced ones`);
  remove.disabled = length < 2;
  remove.dataset.focus = `remove:${index}`;
  remove.onclick = () => {
    const count = cards.length;
    removeTier(index);
    draw();
    say(`Tier ${index + 1} removed${count ? `; ${count} cards are unplaced again` : ""}.`);
    ($$(".remove")[Math.min(index, length - 2)] || $("#deck")).focus();
  };
  const head = make("div", { className: "head" }, make("span", { textContent: index + 1 }), remove);
  const element = make("section", { className: "tier place" }, head, make("div", { className: "cards" }));
  element.dataset.place = `tier:${index}`;
  element.style.setProperty("--tone", tone(index, length));
  element.setAttribute("aria-label", `Tier ${index + 1} of ${length}, ${cards.length} cards`);
  $(".cards", element).append(...cards.map(cardOf));
  return element;
}

const SIGNS = { higher: "is more developed than", lower: "is less developed than", equal: "is as developed as",
  incomparable: "cannot be compared with" };

function thumb(number) {
  const box = make("span", { className: "thumb" });
  showPatches(box, number, 0, 1);
  return make("span", { className: "named" }, box, ` ${number} `);
}

function markRow(one, open) {
  const found = store.found.filter(({ marks }) => marks.some(([a, b]) => a === one.a && b === one.b));
  const waits = [one.a, one.b].some((card) => store.now.deck.includes(card));
  const change = make("button", { type: "button", textContent: "Change", onclick: () => open(one.a, one.b) });
  const remove = make("button", { type: "button", textContent: "Remove", onclick: () => mark(one.a, one.b, null) && draw() });
  change.setAttribute("aria-label", `Change the mark of cards ${one.a} and ${one.b}`);
  remove.setAttribute("aria-label", `Remove the mark of cards ${one.a} and ${one.b}`);
  change.dataset.focus = `change:${one.a}:${one.b}`;
  remove.dataset.focus = `unmark:${one.a}:${one.b}`;
  const row = make("li", {}, thumb(one.a), SIGNS[one.relation], thumb(one.b), change, remove);
  if (waits) row.append(make("p", { className: "hint", textContent: "Counts when both are placed." }));
  row.append(...found.map(({ text }) => make("p", { className: "why", textContent: text })));
  row.classList.toggle("contradicts", found.length > 0);
  return row;
}

let opener = () => {};
export const onOpenPair = (callback) => { opener = callback; };

// Buttons of tiers and marks are made anew; the keyboard stays where it was.
function keepFocus() {
  const focused = document.activeElement;
  const key = focused?.dataset?.focus;
  if (key) return () => ($(`[data-focus="${key}"]`) || elements.get(store.active)).focus({ preventScroll: true });
  const card = focused?.closest?.(".card");
  return () => document.activeElement !== focused && card && focused.focus({ preventScroll: true });
}

export function draw() {
  const focusAgain = keepFocus();
  const before = new Map([...elements].map(([number, element]) => [number, element.getBoundingClientRect()]));
  const { tiers, tray, deck, marks } = store.now;
  if (!store.cards.has(store.active)) store.active = deck[0] ?? store.cards.keys().next().value;
  $("#tiers").replaceChildren(gap(0), ...tiers.flatMap((cards, index) => [tier(cards, index), gap(index + 1)]));
  $("#tray .cards").replaceChildren(...tray.map(cardOf));
  $("#deck .cards").replaceChildren(...deck.map(cardOf));
  $("#marks").hidden = !marks.length;
  $("#marks ul").replaceChildren(...marks.map((one) => markRow(one, opener)));
  $("#waiting").textContent = deck.length || "";
  $("#empty").hidden = deck.length > 0;
  document.body.dataset.size = store.view.size;
  drawState();
  focusAgain();
  glide(before);
}

export function drawState() {
  const all = store.cards.size;
  const placed = all - store.now.deck.length;
  $("#progress").max = all;
  $("#progress").value = placed;
  $("#placed").textContent = `${placed} of ${all} placed`;
  $("#time").textContent = `${Math.floor(busySeconds() / 60)} min`;
  $("#undo").disabled = !store.past.length;
  $("#redo").disabled = !store.future.length;
  const count = store.found.length;
  $("#warnings").hidden = !count;
  $("#warnings").textContent = count === 1 ? "1 contradiction" : `${count} contradictions`;
}

function glide(before) {
  if (calm.matches) return;
  for (const [number, old] of before) {
    const now = elements.get(number).getBoundingClientRect();
    const [x, y] = [old.left - now.left, old.top - now.top];
    if (old.width && (Math.abs(x) > 2 || Math.abs(y) > 2)) {
      const frames = [{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }];
      elements.get(number).animate(frames, { duration: 160, easing: "ease-out" });
    }
  }
}
