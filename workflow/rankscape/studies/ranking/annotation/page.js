// The annotation page: loads the state, wires the buttons, shows whether it is saved.

import { store, load, save, onChange } from "./page.store.js";
import { $, $$, draw, drawState, others, onOpenPair, say } from "./page.board.js";
import { startDragging, aimAgain } from "./page.drag.js";
import { startKeys, carryAgain, focusCard, undo } from "./page.keys.js";
import { startDialogs, openCard, openPair, chooseCard, comparing } from "./page.dialogs.js";

const STATES = { saving: "saving …", saved: "saved", offline: "not saved: no answer, trying again", stopped: "not saved" };

function changed(state, text, news) {
  if (state === "tick") return drawState();
  const label = $("#saved");
  label.textContent = store.finished && state === "saved" ? "finished" : STATES[state];
  label.classList.toggle("bad", state === "offline" || state === "stopped");
  if (state === "offline") {
    $("#banner").hidden = false;
    $("#banner").textContent = "The server does not answer. Your work is kept in this page: leave it open, and start "
      + "`rankscape ranking annotate` again.";
  } else if (state === "stopped") {
    $("#banner").hidden = false;
    $("#banner").textContent = text;
  } else if (state === "saved") {
    if (!comparing()) $("#banner").hidden = true;
    if (news) draw();
    else drawState();
    aimAgain();
    carryAgain();
  }
  return undefined;
}

function clicked(event) {
  const card = event.target.closest(".card");
  if (!card?.dataset.card) return;
  const number = +card.dataset.card;
  if (comparing()) {
    chooseCard(number);
  } else if (event.target.closest(".others")) {
    others(number);
    save();
  } else {
    focusCard(number);
    if (event.target.closest(".patches")) openCard(number);
  }
}

function startView() {
  $("#category").checked = store.view.category;
  $("#category-choice").hidden = ![...store.cards.values()].some((card) => card.category);
  $$("[name=size]").forEach((radio) => { radio.checked = radio.value === store.view.size; });
  $("#view").addEventListener("change", () => {
    store.view = { category: $("#category").checked, size: $("[name=size]:checked").value };
    draw();
    save();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("#view")) $("#view").open = false;
  });
}

async function start() {
  onChange(changed);
  onOpenPair(openPair);
  await load();
  startView();
  startDialogs();
  startDragging();
  startKeys();
  $("main").addEventListener("click", clicked);
  $("#undo").onclick = () => undo();
  $("#redo").onclick = () => undo(false);
  draw();
  $("#saved").textContent = store.finished ? "finished" : "saved";
  document.body.dataset.ready = "yes";
}

start().catch((error) => {
  $("#banner").hidden = false;
  $("#banner").textContent = `The page cannot start: ${error.message}`;
  say($("#banner").textContent);
});
