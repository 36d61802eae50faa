// Dragging with mouse, pen or finger: a copy of the card follows the pointer, the place below it lights up.

import { put } from "./page.store.js";
import { $, $$, draw, say, cardName, placeName } from "./page.board.js";

const START_PX = 6;
const EDGE_PX = 90;
const FASTEST_PX = 18;
const REST_MS = 250;
let drag = null;

export function target(place) {
  $$(".target").forEach((element) => element.classList.remove("target"));
  const element = place && $(`[data-place="${place}"]`);
  if (element) element.classList.add("target");
  return element;
}

function pressed(event) {
  const card = event.target.closest(".card");
  if (!card || drag || event.button || event.target.closest("button") || $("dialog[open]")) return;
  // A finger on the pictures scrolls the page; the head of the card is for dragging.
  if (event.pointerType === "touch" && !event.target.closest(".grip")) return;
  drag = { card, id: event.pointerId, x: event.clientX, y: event.clientY, ghost: null, place: null };
}

function moved(event) {
  if (!drag || event.pointerId !== drag.id) return;
  const [x, y] = [event.clientX, event.clientY];
  if (!drag.ghost) {
    if (Math.hypot(x - drag.x, y - drag.y) < START_PX) return;
    lift();
  }
  Object.assign(drag, { nowX: x, nowY: y });
  drag.ghost.style.transform = `translate(${x - drag.dx}px, ${y - drag.dy}px) rotate(1.5deg)`;
  aim();
  event.preventDefault();
}

function lift() {
  const box = drag.card.getBoundingClientRect();
  drag.dx = drag.x - box.left;
  drag.dy = drag.y - box.top;
  drag.ghost = drag.card.cloneNode(true);
  drag.ghost.removeAttribute("data-card");
  drag.ghost.className = "card ghost";
  drag.ghost.style.width = `${box.width}px`;
  document.body.append(drag.ghost);
  document.body.classList.add("dragging");
  drag.card.classList.add("lifted");
  getSelection()?.removeAllRanges();
  scrollAtEdges();
}

function aim() {
  const place = document.elementFromPoint(drag.nowX, drag.nowY)?.closest("[data-place]")?.dataset.place || null;
  if (place !== drag.place) target(place);
  drag.place = place;
}

function scrollAtEdges() {
  if (!drag?.ghost) return;
  const bottom = innerHeight - parseFloat(getComputedStyle(document.body).getPropertyValue("--below") || 0);
  const top = $(".stick").getBoundingClientRect().bottom;
  const down = drag.nowY - (bottom - EDGE_PX);
  const up = top + EDGE_PX - drag.nowY;
  const speed = down > 0 && drag.nowY < bottom ? down : up > 0 ? -up : 0;
  // Who only passes the edge on the way to a place does not want the page to move.
  drag.atEdge = speed ? drag.atEdge || performance.now() : 0;
  const rests = drag.atEdge && performance.now() - drag.atEdge > REST_MS;
  if (rests && !document.elementFromPoint(drag.nowX, drag.nowY)?.closest("#deck")) {
    scrollBy(0, Math.max(-FASTEST_PX, Math.min(FASTEST_PX, speed / 4)));
    aim();
  }
  requestAnimationFrame(scrollAtEdges);
}

function ended(event) {
  if (!drag || event.pointerId !== drag.id) return;
  const { card, ghost, place } = drag;
  cancel();
  if (!ghost) return;
  const number = +card.dataset.card;
  swallowClick();
  if (event.type === "pointerup" && place) {
    const name = placeName(place);
    if (put(number, place)) say(`${cardName(number)} is now in ${name}.`);
    draw();
  }
}

// The click that ends a drag must not open the card.
function swallowClick() {
  const swallow = (click) => click.stopPropagation();
  window.addEventListener("click", swallow, true);
  setTimeout(() => window.removeEventListener("click", swallow, true), 0);
}

export function cancel() {
  drag?.ghost?.remove();
  drag?.card.classList.remove("lifted");
  document.body.classList.remove("dragging");
  target(null);
  drag = null;
}

// What is drawn anew has lost its mark.
export const aimAgain = () => drag?.ghost && target(drag.place);
export const dragging = () => Boolean(drag?.ghost);

export function startDragging() {
  window.addEventListener("pointerdown", pressed);
  window.addEventListener("pointermove", moved, { passive: false });
  window.addEventListener("pointerup", ended);
  window.addEventListener("pointercancel", ended);
  window.addEventListener("dragstart", (event) => event.preventDefault());
}
