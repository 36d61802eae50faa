"use strict";
// The document behind the map: unpacking, colours, and where patches lie. Nothing here touches the page.

const MISSING = 65535;

function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** 16-bit numbers, lower byte first, whatever the machine's own order is. */
function wordsOf(text) {
  const bytes = bytesOf(text);
  const words = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < words.length; i += 1) words[i] = bytes[2 * i] | (bytes[2 * i + 1] << 8);
  return words;
}

/** Unpacked when it is asked for the first time. */
function unpacked(holder, name, unpack) {
  if (!(name in holder)) return null;
  if (typeof holder[name] === "string") holder[name] = unpack(holder[name]);
  return holder[name];
}

/** The value of a patch in a layer; null without one. */
function valueOf(layer, granule, place) {
  const words = unpacked(layer.values, granule.id, wordsOf);
  if (!words || words[place] === MISSING) return null;
  return layer.low + words[place] * layer.step;
}

function shareOf(layer, value) {
  const [low, high] = layer.ends;
  return Math.min(Math.max((value - low) / (high - low), 0), 1);
}

function channels(colour) {
  return [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
}

/** Number as the page writes it: as few digits as tell it apart, a true minus sign. */
function written(value, layer) {
  const raw = layer && layer.transform === "log1p" ? Math.expm1(value) : value;
  const size = Math.abs(raw);
  const digits = layer && (layer.key === "score" || layer.signed || layer.key === "uncertainty") ? 2
    : size >= 100 ? 0 : size >= 10 ? 1 : 2;
  const text = size.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const zero = Number(text.replace(/,/g, "")) === 0;
  return (raw < 0 && !zero ? "−" : layer && layer.signed && !zero ? "+" : "") + text;
}

/** Id of a patch: web-mercator tiles keep their own numbers. */
function idOf(granule, row, col) {
  return `${granule.id}_${granule.first[0] + row}_${granule.first[1] + col}`;
}

/** Corner of patches on the plane: row and column count from the upper left, and may lie between nodes. */
function corner(granule, row, col) {
  if (granule.straight) {
    const [left, low, right, high] = granule.bounds;
    return [left + ((right - left) * col) / granule.cols, high - ((high - low) * row) / granule.rows];
  }
  const [i, u] = between(granule.node_rows, row);
  const [j, v] = between(granule.node_cols, col);
  const mixed = (grid) => (1 - u) * ((1 - v) * grid[i][j] + v * grid[i][j + 1])
    + u * ((1 - v) * grid[i + 1][j] + v * grid[i + 1][j + 1]);
  return [mixed(granule.x), mixed(granule.y)];
}

function between(nodes, value) {
  let place = 0;
  while (place < nodes.length - 2 && nodes[place + 1] <= value) place += 1;
  return [place, (value - nodes[place]) / (nodes[place + 1] - nodes[place])];
}

/** The four corners of a patch. */
function outline(granule, row, col) {
  return [[row, col], [row, col + 1], [row + 1, col + 1], [row + 1, col]].map(([r, c]) => corner(granule, r, c));
}

/** The patch at a point of the plane; the first granule that holds it counts. */
function patchAt(granules, x, y) {
  for (const granule of granules) {
    const [left, low, right, high] = granule.bounds;
    if (x < left || x > right || y < low || y > high) continue;
    const found = granule.straight
      ? [Math.floor(((high - y) / (high - low)) * granule.rows), Math.floor(((x - left) / (right - left)) * granule.cols)]
      : sought(granule, x, y);
    const [row, col] = found;
    if (row >= 0 && row < granule.rows && col >= 0 && col < granule.cols) return { granule, row, col, place: row * granule.cols + col };
  }
  return null;
}

/** Row and column in a bent granule, by Newton's steps from its middle. */
function sought(granule, x, y) {
  let [row, col] = [granule.rows / 2, granule.cols / 2];
  for (let step = 0; step < 8; step += 1) {
    const inside = [Math.min(Math.max(row, 0), granule.rows - 1), Math.min(Math.max(col, 0), granule.cols - 1)];
    const [x0, y0] = corner(granule, ...inside);
    const [xr, yr] = corner(granule, inside[0] + 1, inside[1]);
    const [xc, yc] = corner(granule, inside[0], inside[1] + 1);
    const [a, b, c, d] = [xr - x0, xc - x0, yr - y0, yc - y0];
    const determinant = a * d - b * c;
    row = inside[0] + (d * (x - x0) - b * (y - y0)) / determinant;
    col = inside[1] + (a * (y - y0) - c * (x - x0)) / determinant;
  }
  return [Math.floor(row), Math.floor(col)];
}

/** Longitude and latitude at a point of the plane, between the points of the lattice. */
function degrees(data, x, y) {
  const rows = data.latitude.length - 1;
  const cols = data.latitude[0].length - 1;
  const [s, t] = [(x / data.size[0]) * cols, (y / data.size[1]) * rows];
  const [j, i] = [Math.min(Math.max(Math.floor(s), 0), cols - 1), Math.min(Math.max(Math.floor(t), 0), rows - 1)];
  const [u, v] = [s - j, t - i];
  const mixed = (grid) => (1 - v) * ((1 - u) * grid[i][j] + u * grid[i][j + 1])
    + v * ((1 - u) * grid[i + 1][j] + u * grid[i + 1][j + 1]);
  return [mixed(data.longitude), mixed(data.latitude)];
}

function readable(longitude, latitude) {
  const turned = ((((longitude + 180) % 360) + 360) % 360) - 180;
  return `${Math.abs(latitude).toFixed(4)}° ${latitude < 0 ? "S" : "N"}, ${Math.abs(turned).toFixed(4)}° ${turned < 0 ? "W" : "E"}`;
}
