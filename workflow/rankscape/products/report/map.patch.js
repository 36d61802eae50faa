"use strict";
// The panel that tells of one patch.

const SHOWN_PX = 224;
const RAISES = [230, 97, 1];
const LOWERS = [84, 39, 136];

class Panel {
  constructor(box, data) {
    this.box = box;
    this.data = data;
    this.images = new Map();
    this.turn = 0;
  }

  clear() {
    this.turn += 1;
    this.box.replaceChildren(made("p", "Choose a patch: click or tap on the map, or focus the map, move the cross over a patch with the arrow keys and press Enter.", "soft"));
  }

  show(found) {
    const { granule, row, col } = found;
    this.turn += 1;
    const heading = made("h3", `Patch ${idOf(granule, row, col)}`);
    const images = made("div", "", "images");
    this.box.replaceChildren(heading, images, this.facts(found));
    this.draw(images, found, this.turn);
  }

  facts(found) {
    const list = made("dl");
    const say = (term, value, note = "") => {
      const cell = made("dd", value);
      if (note) cell.append(made("span", note, "note"));
      list.append(made("dt", term), cell);
    };
    const value = (key) => {
      const layer = this.data.layers.find((one) => one.key === key);
      return layer ? valueOf(layer, found.granule, found.place) : null;
    };
    const main = this.data.layers[0];
    const [own, deviation] = [value(main.key), value("uncertainty")];
    if (own === null) say(main.title, "none", "no clear view, or no image");
    else if (deviation === null) say(main.title, written(own, main));
    else say(main.title, `${written(own, main)} ± ${written(deviation, main)}`, this.interval(own, deviation, main));
    if (this.data.clusters) say("Cluster", ...this.cluster(found));
    say("Granule", found.granule.id, found.granule.learned ? "learned from" : "not learned from");
    for (const layer of this.data.layers) {
      const other = valueOf(layer, found.granule, found.place);
      if ([main.key, "uncertainty"].includes(layer.key) || other === null) continue;
      if (/^residual-\d/.test(layer.key)) continue;
      const apart = /^(reference|residual)-/.test(layer.key) ? value(layer.key.replace("reference", "residual")) : null;
      const beside = apart === null ? "" : this.difference(apart);
      say(layer.title, written(other, layer), beside);
    }
    const middle = corner(found.granule, found.row + 0.5, found.col + 0.5);
    say("Place", readable(...degrees(this.data, ...middle)));
    return list;
  }

  interval(middle, deviation, layer) {
    const [low, high] = layer.ends;
    const ends = [-1.96, 1.96].map((z) => written(Math.min(Math.max(middle + z * deviation, low), high), layer));
    return `about 95 %: ${ends[0]} to ${ends[1]}`;
  }

  difference(value) {
    if (Math.abs(value) < 0.1) return "in rank like the score";
    return `the score ranks it ${value > 0 ? "higher" : "lower"} (${written(value, { signed: true })})`;
  }

  cluster(found) {
    const words = unpacked(this.data.clusters.of, found.granule.id, wordsOf);
    if (!words || words[found.place] === MISSING) return ["none", "not clustered: the network alone scored it"];
    const { cluster, category, level } = this.data.clusters.named[words[found.place]];
    return [`${cluster}, ${category}`, `level ${level} of ${this.data.clusters.levels} (1 is the richest)`];
  }

  async draw(box, found, turn) {
    if (!found.granule.image) {
      box.append(made("p", "The page has no image of this granule.", "soft small"));
      return;
    }
    const image = await this.image(found.granule);
    if (turn !== this.turn) return;
    const canvas = this.crop(image, found);
    box.append(captioned(canvas, "Seen from above", `Image of the patch ${idOf(found.granule, found.row, found.col)}`));
    this.respond(box, found, canvas);
  }

  image(granule) {
    if (!this.images.has(granule.id)) {
      const image = new Image();
      image.src = granule.image.uri;
      this.images.set(granule.id, image.decode().then(() => image));
    }
    return this.images.get(granule.id);
  }

  /** The patch's part of its granule's image, enlarged without blurring where its pixels are few. */
  crop(image, found) {
    const [left, low, right, high] = found.granule.image.bounds;
    const corners = outline(found.granule, found.row, found.col);
    const xs = corners.map(([x]) => ((x - left) / (right - left)) * image.naturalWidth);
    const ys = corners.map(([, y]) => ((high - y) / (high - low)) * image.naturalHeight);
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    const canvas = blank();
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = found.granule.image.patch_px > 64;
    context.drawImage(image, x, y, Math.max(...xs) - x, Math.max(...ys) - y, 0, 0, SHOWN_PX, SHOWN_PX);
    return canvas;
  }

  /** What raised the score (orange) and what lowered it (violet), over the image in grey. */
  respond(box, found, crop) {
    const held = this.data.responses;
    if (!held) return;
    const size = held.cells * held.cells;
    const bytes = unpacked(held.of, found.granule.id, bytesOf);
    const own = bytes ? bytes.subarray(found.place * size, (found.place + 1) * size) : [];
    const name = held.method === "occlusion" ? "Occlusion" : "Grad-CAM";
    if (!own.some((byte) => byte > 0)) {
      box.append(made("p", `${name}: none of this patch. ${held.note}`, "soft small"));
      return;
    }
    const canvas = blank();
    const context = canvas.getContext("2d");
    context.filter = "grayscale(1) contrast(.8) brightness(1.5)";
    context.drawImage(crop, 0, 0);
    context.filter = "none";
    context.imageSmoothingQuality = "high";
    context.drawImage(this.tint(own, held.cells), 0, 0, SHOWN_PX, SHOWN_PX);
    box.append(captioned(canvas, `${name}: orange raised the score, violet lowered it`, "What the network responded to in the patch"));
  }

  tint(own, cells) {
    const small = blank(cells);
    const context = small.getContext("2d");
    const pixels = context.createImageData(cells, cells);
    own.forEach((byte, place) => {
      const value = (byte - 128) / 127;
      const strength = Math.abs(value) * 0.8 * 255;
      pixels.data.set([...(value > 0 ? RAISES : LOWERS), strength], 4 * place);
    });
    context.putImageData(pixels, 0, 0);
    return small;
  }
}

function blank(side = SHOWN_PX) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  return canvas;
}

function made(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function captioned(canvas, caption, alt) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", alt);
  const figure = made("figure");
  figure.append(canvas, made("figcaption", caption));
  return figure;
}
