// The dialogs: a card seen closely, a pair of cards, finishing, help.

import { store, placeOf, put, mark, markOf, finish, busySeconds } from "./page.store.js";
import { $, $$, make, draw, say, cardElement, cardName, placeName, showPatches } from "./page.board.js";

const MANY = 24;
const ON_PAIR = 9;
let shown = null; // {card, first} in the card's dialog
let first = null; // the first card of a comparison

function open(selector, back) {
  const dialog = $(selector);
  dialog.onclose = () => back !== undefined && cardElement(back)?.focus();
  dialog.showModal();
  return dialog;
}

export const openHelp = () => open("#help-dialog");
export const comparing = () => first !== null;

function choice(text, act, current = false) {
  const button = make("button", { type: "button", textContent: text, onclick: act });
  if (current) button.setAttribute("aria-pressed", "true");
  return button;
}

export function openCard(number) {
  shown = { card: number, first: store.offsets.get(number) || 0 };
  $("#card-title").textContent = cardName(number);
  drawCard();
  open("#card-dialog", number);
}

function drawCard() {
  const card = store.cards.get(shown.card);
  showPatches($("#card-dialog .patches"), shown.card, shown.first, MANY);
  $("#more").disabled = card.patches <= MANY;
  const drawn = `${card.patches} patches drawn at random from this kind`;
  $("#card-amount").textContent = card.patches > MANY ? `${MANY} of the ${drawn}.` : `The ${drawn}.`;
  const here = placeOf(shown.card);
  const to = (place, text) => choice(text, () => placeFromDialog(place), place === here);
  const tiers = store.now.tiers.map((_, index) => to(`tier:${index}`, `Tier ${index + 1}`));
  const { length } = tiers;
  $("#card-places").replaceChildren(
    to("gap:0", "New on top"), ...tiers, to(`gap:${length}`, "New at bottom"), to("tray", "Not comparable"),
    to("deck", "Unplaced"),
  );
}

function placeFromDialog(place) {
  const number = shown.card;
  const name = placeName(place);
  $("#card-dialog").close();
  if (put(number, place)) say(`${cardName(number)} is now in ${name}.`);
  draw();
  cardElement(number).focus();
}

export function startComparing(number) {
  first = number;
  cardElement(number).classList.add("compared");
  document.body.classList.add("comparing");
  $("#banner").hidden = false;
  $("#banner").replaceChildren(
    `Card ${number} compared with which card? Choose the other one. `, choice("Cancel", stopComparing),
  );
  say(`Card ${number}: choose the card to compare it with, then Enter. Escape ends.`);
}

export function stopComparing() {
  if (first !== null) cardElement(first).classList.remove("compared");
  document.body.classList.remove("comparing");
  $("#banner").hidden = true;
  first = null;
}

export function chooseCard(number) {
  if (number === first) return say("Choose another card than the same one.");
  const one = first;
  stopComparing();
  return openPair(one, number);
}

export function openPair(a, b) {
  const sides = $$("#pair-dialog .two > div");
  [a, b].forEach((number, side) => {
    $("h3", sides[side]).textContent = cardName(number);
    showPatches($(".patches", sides[side]), number, store.offsets.get(number) || 0, ON_PAIR);
  });
  $("#pair-now").textContent = `Now card ${a} is in ${placeName(placeOf(a))}, card ${b} in ${placeName(placeOf(b))}.`;
  const now = markOf(a, b);
  const relation = now && (now.a === a ? now.relation : { higher: "lower", lower: "higher" }[now.relation] || now.relation);
  const say_ = (text, name) => choice(text, () => markPair(a, b, name), relation === name);
  $("#pair-choices").replaceChildren(
    say_(`${a} is more developed`, "higher"), say_("Equally developed", "equal"), say_(`${b} is more developed`, "lower"),
    say_("Cannot be compared", "incomparable"), ...(now ? [say_("Remove the mark", null)] : []),
  );
  open("#pair-dialog", a);
}

function markPair(a, b, relation) {
  mark(a, b, relation);
  draw();
  $("#pair-dialog").close();
  say(relation ? `Cards ${a} and ${b} are marked.` : "The mark is removed.");
}

function list(title, items) {
  return [make("p", { textContent: title }), make("ul", {}, ...items.map((text) => make("li", { textContent: text })))];
}

export function openFinish() {
  const { deck, tiers, tray, marks } = store.now;
  const text = $("#finish-text");
  const ready = !deck.length && !store.found.length;
  $("#really").hidden = !ready;
  $("#finish-title").textContent = ready ? "Finish?" : "Not yet";
  if (ready) {
    const used = tiers.filter((cards) => cards.length).length;
    const minutes = Math.max(1, Math.round(busySeconds() / 60));
    text.replaceChildren(...list("Your order:", [
      `${used} tiers, ${tray.length} cards not comparable, ${marks.length} marked pairs`, `${minutes} minutes`,
    ]), make("p", { textContent: "You can change it later." }));
  } else {
    const open_ = deck.length ? [`${deck.length} cards are not placed: ${deck.join(", ")}.`] : [];
    text.replaceChildren(...list("Before you finish:", [...open_, ...store.found.map((one) => one.text)]));
  }
  open("#finish-dialog");
}

async function really() {
  const text = $("#finish-text");
  try {
    const given = await finish();
    draw();
    $("#finish-title").textContent = "Finished. Thank you.";
    text.replaceChildren(
      make("p", { textContent: "The order is saved. You can close the page." }),
      make("p", { className: "hint", textContent: given.file }),
      make("p", { className: "hint", textContent: "In the numbers of the clusters, > is more developed:" }), make("pre", { textContent: given.text }),
    );
    $("#really").hidden = true;
    say("Finished. The order is saved.");
  } catch (error) {
    text.replaceChildren(make("p", { className: "why", textContent: `Not finished: ${error.message}` }));
  }
}

export function openWarnings() {
  const text = $("#finish-text");
  $("#finish-title").textContent = store.found.length === 1 ? "A contradiction" : "Contradictions";
  $("#really").hidden = true;
  text.replaceChildren(...list("Move a card, or change a mark:", store.found.map((one) => one.text)));
  const card = store.found[0]?.cards[0];
  open("#finish-dialog", card);
}

export function startDialogs() {
  $$("dialog .close").forEach((button) => { button.onclick = () => button.closest("dialog").close(); });
  $$("dialog").forEach((dialog) => dialog.addEventListener("pointerdown", (event) => {
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top
      && event.clientY <= box.bottom;
    if (event.target === dialog && !inside) dialog.close();
  }));
  $("#more").onclick = () => {
    shown.first = (shown.first + MANY) % store.cards.get(shown.card).patches;
    drawCard();
  };
  $("#compare").onclick = () => {
    const { card } = shown;
    $("#card-dialog").close();
    startComparing(card);
    cardElement(card).focus();
  };
  $("#finish").onclick = openFinish;
  $("#really").onclick = really;
  $("#help").onclick = openHelp;
  $("#warnings").onclick = openWarnings;
}
