// What the page knows: the cards, where they lie, what was done before; and saving it.

export const store = {
  cards: new Map(), // number -> {card, category, size, patches, seen}
  now: { tiers: [], tray: [], deck: [], marks: [] },
  past: [],
  future: [],
  found: [], // contradictions
  offsets: new Map(), // number -> first patch shown
  view: { category: true, size: "medium" },
  fixed: {},
  finished: false,
  active: null, // card that the keyboard is on
};

const MOST_STEPS = 200;
const IDLE_S = 60;
const RETRY_MS = 1000;
const randomId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

let revision = 0;
let secondsBefore = 0;
let seconds = 0;
let lastInput = Date.now();
let sending = false;
let unsaved = false;
let stopped = false;
let listener = () => {};
const session = randomId();

export const onChange = (callback) => { listener = callback; };
export const copy = (value) => JSON.parse(JSON.stringify(value));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const memory = () => `rankscape:${store.fixed.of}:${store.fixed.annotator}`;

export async function load() {
  const answer = await fetch("state");
  if (!answer.ok) throw new Error(await answer.text());
  const given = await answer.json();
  store.fixed = { region: given.region, annotator: given.annotator, of: given.of, file: given.file };
  store.cards = new Map(given.cards.map((card) => [card.card, card]));
  store.view = given.view;
  secondsBefore = given.seconds;
  adopt(given);
  recall();
}

function adopt(given) {
  revision = given.revision;
  store.finished = given.finished;
  store.found = given.contradictions;
  if (given.arrangement) store.now = given.arrangement;
}

// Undo survives a reload; so does a change that the server did not get.
function recall() {
  const kept = JSON.parse(sessionStorage.getItem(memory()) || "null");
  if (!kept) return;
  if (kept.unsaved && kept.revision === revision) {
    Object.assign(store, { now: kept.now, past: kept.past, future: kept.future });
    save();
  } else if (same(kept.now, store.now)) {
    Object.assign(store, { past: kept.past, future: kept.future });
  }
}

function remember() {
  const { now, past, future } = store;
  try {
    sessionStorage.setItem(memory(), JSON.stringify({ now, past, future, revision, unsaved }));
  } catch {
    sessionStorage.removeItem(memory());
  }
}

export function change(edit) {
  const before = copy(store.now);
  edit(store.now);
  if (same(before, store.now)) return false;
  store.past = [...store.past, before].slice(-MOST_STEPS);
  store.future = [];
  store.finished = false;
  save();
  return true;
}

export function step(from, to) {
  if (!store[from].length) return false;
  store[to].push(copy(store.now));
  store.now = store[from].pop();
  store.finished = false;
  save();
  return true;
}

function body() {
  const seen = Object.fromEntries([...store.cards.values()].map((card) => [card.card, card.seen]));
  return { window: session, revision, arrangement: store.now, view: store.view, seen, seconds };
}

const send = (address, method) => fetch(address, {
  method, body: JSON.stringify(body()), headers: { "Content-Type": "application/json" }, keepalive: true,
});

export async function save() {
  unsaved = true;
  remember();
  if (sending || stopped) return;
  sending = true;
  while (unsaved && !stopped) {
    unsaved = false;
    listener("saving");
    try {
      await answered(await send("state", "PUT"));
    } catch {
      unsaved = true;
      remember();
      listener("offline");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  sending = false;
}

async function answered(answer) {
  const given = await answer.json();
  if (answer.ok) {
    const { finished } = store;
    const news = !same(store.found, given.contradictions);
    adopt(given);
    // A change under way is not finished yet, whatever the answer to the one before it says.
    if (unsaved) store.finished = finished;
    remember();
    listener("saved", null, news);
  } else if (answer.status === 507) {
    throw new Error(given.error);
  } else {
    stopped = true;
    listener("stopped", given.error);
  }
}

export async function finish() {
  const answer = await send("finish", "POST");
  const given = await answer.json();
  if (!answer.ok) throw new Error(given.error);
  adopt(given);
  store.past = [];
  store.future = [];
  remember();
  listener("saved");
  return given;
}

// Seconds count while the page is in front and something was done within the last minute.
export const busySeconds = () => secondsBefore + seconds;
for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
  window.addEventListener(kind, () => { lastInput = Date.now(); }, { passive: true });
}
setInterval(() => {
  if (document.hidden || Date.now() - lastInput > IDLE_S * 1000) return;
  seconds += 1;
  listener("tick");
  if (seconds % 30 === 0 && !store.finished && store.past.length) save();
}, 1000);

export function placeOf(card) {
  const tier = store.now.tiers.findIndex((cards) => cards.includes(card));
  if (tier >= 0) return `tier:${tier}`;
  return store.now.tray.includes(card) ? "tray" : "deck";
}

// Places are "tier:2", "gap:0" (a new tier above tier 0), "tray", "deck".
export function put(card, place) {
  const [kind, index] = place.split(":");
  if (placeOf(card) === place) return false;
  return change((now) => {
    const target = kind === "tier" ? now.tiers[index] : kind === "gap" ? [] : now[kind];
    for (const cards of [...now.tiers, now.tray, now.deck]) {
      const at = cards.indexOf(card);
      if (at >= 0) cards.splice(at, 1);
    }
    if (kind === "gap") now.tiers.splice(index, 0, target);
    target.push(card);
    if (kind === "deck") target.sort((a, b) => a - b);
  });
}

export const addTier = (index) => change((now) => now.tiers.splice(index, 0, []));
export const removeTier = (index) => change((now) => {
  now.deck = [...now.deck, ...now.tiers.splice(index, 1)[0]].sort((a, b) => a - b);
});

export const markOf = (a, b) => store.now.marks.find((m) => (m.a === a && m.b === b) || (m.a === b && m.b === a));
export const mark = (a, b, relation) => change((now) => {
  now.marks = now.marks.filter((m) => !((m.a === a && m.b === b) || (m.a === b && m.b === a)));
  if (relation) now.marks.push({ a, b, relation });
});
