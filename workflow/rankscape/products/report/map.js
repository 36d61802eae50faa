"use strict";
// Puts the map together: layers to choose, legend, readout, selection by pointer and by keyboard.

(() => {
  const find = (name) => document.getElementById(name);
  const data = JSON.parse(find("map-data").textContent);
  const app = find("map-app");
  app.hidden = false;
  document.documentElement.classList.add("interactive");

  const whole = [[0, 0], [data.size[1], data.size[0]]];
  const crs = L.extend({}, L.CRS.Simple, {
    distance: (one, other) => Math.hypot(one.lng - other.lng, one.lat - other.lat) * data.unit_m,
  });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(find("map-canvas"), {
    crs, minZoom: -20, maxZoom: 2, zoomSnap: 0.25, zoomDelta: 0.5, wheelPxPerZoomLevel: 120, attributionControl: false,
    maxBounds: L.latLngBounds(whole).pad(2), zoomAnimation: !still, fadeAnimation: false, inertia: !still,
    keyboardPanDelta: 60,
  });
  if (still) map.panBy = (offset, options) => L.Map.prototype.panBy.call(map, offset, { ...options, animate: false });
  map.fitBounds(whole, { animate: false });
  map.setMinZoom(map.getZoom() - 1);
  L.control.scale({ imperial: false, maxWidth: 140 }).addTo(map);
  const ground = new Ground(map, data);
  const panel = new Panel(find("map-panel"), data);
  panel.clear();

  const layers = new Map(data.layers.map((layer) => [layer.key, layer]));
  if (data.districts.length) {
    layers.set("districts", { ...data.layers[0], key: "districts", title: "Districts", note: `Mean of each district: ${data.layers[0].title.toLowerCase()}.` });
  }
  let layer = null;

  function choose(key) {
    layer = layers.get(key) || null;
    ground.show(layer);
    ground.borders(data.districts.length > 0 && (key === "districts" || find("map-borders").checked));
    ground.fade(find("map-opacity").value / 100);
    find("map-opacity").disabled = layer === null;
    legend();
  }

  function legend() {
    const box = find("map-legend");
    if (!layer) {
      box.replaceChildren(made("p", "The images that the patches were cut from."));
      return;
    }
    const bar = made("span", "", "bar");
    bar.style.background = `linear-gradient(to right, ${data.ramps[layer.ramp].join(", ")})`;
    const row = made("div", "", "ends");
    const middle = (layer.ends[0] + layer.ends[1]) / 2;
    for (const value of [layer.ends[0], middle, layer.ends[1]]) row.append(made("span", written(value, layer)));
    const words = made("div", "", "ends soft");
    words.append(made("span", layer.words[0]), made("span", layer.words[1]));
    box.replaceChildren(made("strong", layer.title), bar, row, words, made("p", layer.note));
  }

  let marker = null;
  let chosen = null;

  function select(found) {
    chosen = found;
    if (marker) marker.remove();
    marker = null;
    if (!found) return panel.clear();
    const corners = outline(found.granule, found.row, found.col).map(([x, y]) => [y, x]);
    marker = L.layerGroup([
      L.polygon(corners, { pane: "chosen", color: "#fff", weight: 5, fill: false, interactive: false }),
      L.polygon(corners, { pane: "chosen", color: "#111", weight: 2, fill: false, interactive: false }),
    ]).addTo(map);
    panel.show(found);
  }

  function at(place) {
    return patchAt(data.granules, place.lng, place.lat);
  }

  function report(place) {
    const found = at(place);
    const value = found && layer && layer.key !== "districts" ? valueOf(layer, found.granule, found.place) : null;
    find("map-readout").textContent = readable(...degrees(data, place.lng, place.lat))
      + (value === null ? "" : ` · ${layer.title}: ${written(value, layer)}`);
  }

  map.on("click", (event) => select(at(event.latlng)));
  map.on("mousemove", (event) => report(event.latlng));
  map.on("moveend", () => report(map.getCenter()));
  const canvas = find("map-canvas");
  // The cross and the ring show only to whom they serve: those who move the map with keys.
  canvas.addEventListener("pointerdown", () => canvas.classList.remove("keys"), true);
  canvas.addEventListener("keyup", () => canvas.classList.add("keys"));
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === canvas) {
      event.preventDefault();
      select(at(map.getCenter()));
    }
    if (event.key === "Escape") select(null);
    if (event.key === "Home") {
      event.preventDefault();
      map.fitBounds(whole);
    }
  });
  for (const button of app.querySelectorAll("input[name='map-layer']")) {
    button.addEventListener("change", () => choose(button.value));
  }
  find("map-opacity").addEventListener("input", (event) => {
    ground.fade(event.target.value / 100);
    find("map-opacity-value").textContent = `${event.target.value} %`;
  });
  if (data.districts.length) find("map-borders").addEventListener("change", () => choose(currentKey()));
  find("map-whole").addEventListener("click", () => map.fitBounds(whole));

  function currentKey() {
    return app.querySelector("input[name='map-layer']:checked").value;
  }

  choose(currentKey());
  app.dataset.ready = "";
  // Tests and the curious can ask what is shown.
  app.addEventListener("rankscape:state", (event) => {
    event.detail.state = { layer: layer && layer.key, zoom: map.getZoom(), center: map.getCenter(), chosen: chosen && idOf(chosen.granule, chosen.row, chosen.col) };
  });
})();
