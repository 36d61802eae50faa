// Everything by keyboard: going from card to card, carrying a card, single keys for the common steps.

import { store, placeOf, put, step } from "./page.store.js";
import { $, draw, say, others, cardElement, cardName, placeName } from "./page.board.js";
import { cancel, dragging, target } from "./page.drag.js";
import { openCard, chooseCard, startComparing, stopComparing, comparing, openHelp } from "./page.dialogs.js";

let carried = null; // {card, place}

export function focusCard(number) {
  if (!store.cards.has(number)) return;
  const before = cardElement(store.active);
  if (before) before.tabIndex = -1;
  store.active = number;
  const element = cardElement(number);
  element.tabIndex = 0;
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const centre = (element) => {
  const box = element.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
};

function neighbour(number, key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const [x, y] = centre(cardElement(number));
  let best = null;
  let least = Infinity;
  for (const other of store.cards.keys()) {
    const [ox, oy] = centre(cardElement(other));
    const along = (ox - x) * dx + (oy - y) * dy;
    const across = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
    if (other !== number && along > 8 && along + 2.5 * across < least) {
      least = along + 2.5 * across;
      best = other;
    }
  }
  return best;
}

// Places from top to bottom; with Shift only the gaps, in which a new tier is made.
function places() {
  const tiers = store.now.tiers.flatMap((_, index) => [`tier:${index}`, `gap:${index + 1}`]);
  return ["gap:0", ...tiers, "tray", "deck"];
}

function carry(key, between) {
  const all = places();
  const way = key === "ArrowUp" || key === "ArrowLeft" ? -1 : 1;
  let at = all.indexOf(carried.place);
  // From the unplaced cards the way leads to the nearest end of the tiers: up to the bottom, down to the top.
  if (carried.place === "deck" && way > 0) at = -1;
  do at += way; while (all[at] && all[at].startsWith("gap") !== between);
  if (!all[at]) return say("No further place.");
  carried.place = all[at];
  target(carried.place)?.scrollIntoView({ block: "nearest" });
  return say(`Over ${placeName(carried.place)}.`);
}

function lay() {
  const { card, place } = carried;
  drop();
  move(card, place);
}

function drop() {
  if (carried) cardElement(carried.card).classList.remove("carried");
  target(null);
  carried = null;
}

// After a card of the deck is placed, the keyboard is on the next one.
function move(number, place) {
  const from = placeOf(number);
  const { deck } = store.now;
  const next = deck[deck.indexOf(number) + 1] ?? deck[deck.indexOf(number) - 1];
  const name = placeName(place);
  if (!put(number, place)) return say(`${cardName(number)} is already in ${name}.`);
  draw();
  const go = from === "deck" && next !== undefined ? next : number;
  focusCard(go);
  return say(`${cardName(number)} is now in ${name}.${go === number ? "" : ` Next: ${cardName(go)}.`}`);
}

export const carryAgain = () => carried && target(carried.place);

export function undo(back = true) {
  const done = back ? step("past", "future") : step("future", "past");
  if (done) draw();
  say(done ? (back ? "Undone." : "Done again.") : `Nothing to ${back ? "undo" : "redo"}.`);
}

function onCard(event, number) {
  const { key } = event;
  if (key.startsWith("Arrow")) {
    if (carried) return carry(key, event.shiftKey);
    const next = neighbour(number, key);
    return next === null ? undefined : focusCard(next);
  }
  if (carried && (key === " " || key === "Enter")) return lay();
  if (key === "Enter") return comparing() ? chooseCard(number) : openCard(number);
  if (comparing()) return key === " " ? chooseCard(number) : undefined;
  if (key === " ") {
    carried = { card: number, place: placeOf(number) };
    cardElement(number).classList.add("carried");
    target(carried.place);
    return say(`${cardName(number)} lifted. Arrow keys carry it, Space lays it down, Escape takes it back.`);
  }
  if (/^[1-9]$/.test(key)) {
    const known = +key <= store.now.tiers.length;
    return known ? move(number, `tier:${+key - 1}`) : say(`There is no tier ${key}.`);
  }
  const acts = { n: () => move(number, "tray"), b: () => move(number, "deck"), o: () => others(number),
    c: () => startComparing(number) };
  return acts[key] ? acts[key]() : false;
}

function escaped() {
  if (dragging()) cancel();
  else if (carried) {
    drop();
    say("Taken back.");
  } else if (comparing()) stopComparing();
  else $("#view").open = false;
}

function pressed(event) {
  if ($("dialog[open]")) return;
  if ((event.ctrlKey || event.metaKey) && ["z", "y"].includes(event.key.toLowerCase())) {
    event.preventDefault();
    drop();
    undo(event.key.toLowerCase() === "z" && !event.shiftKey);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") escaped();
  if (event.key === "?") openHelp();
  const card = event.target.closest?.(".card");
  if (card && event.target === card && onCard(event, +card.dataset.card) !== false && event.key !== "Tab") {
    event.preventDefault();
  }
}

export function startKeys() {
  window.addEventListener("keydown", pressed);
  window.addEventListener("focusin", (event) => {
    const card = event.target.closest?.(".card");
    if (carried && (!card || +card.dataset.card !== carried.card)) drop();
    if (card?.dataset.card && event.target === card) store.active = +card.dataset.card;
  });
}
