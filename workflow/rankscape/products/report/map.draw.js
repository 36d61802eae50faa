"use strict";
// What lies on the map: an image and a canvas of values for each granule, and the districts.

const BENT_PX = 6; // Pixels a patch on the canvas of a granule whose grid is turned against the map.

/** Leaflet knows latitude and longitude; the plane's y and x take their place. */
function rectangle([left, low, right, high]) {
  return [[low, left], [high, right]];
}

/** A canvas that lies on the map as an image does. */
const CanvasOverlay = L.ImageOverlay.extend({
  _initImage() {
    this._image = this._url;
    L.DomUtil.addClass(this._image, "leaflet-image-layer");
    L.DomUtil.addClass(this._image, this.options.className);
    if (this._zoomAnimated) L.DomUtil.addClass(this._image, "leaflet-zoom-animated");
    this._image.onselectstart = L.Util.falseFn;
    this._image.onmousemove = L.Util.falseFn;
  },
});

class Ground {
  /** Images below, values above them, districts on top: a pane each, so that a pane fades as a whole. */
  constructor(map, data) {
    this.map = map;
    this.data = data;
    ["imagery", "values", "districts", "chosen"].forEach((name, place) => {
      map.createPane(name).style.zIndex = 300 + 50 * place;
    });
    for (const granule of data.granules) this.add(granule);
    this.districts = L.layerGroup();
    this.shapes = data.districts.map((district) => this.shape(district));
  }

  add(granule) {
    if (granule.image) {
      L.imageOverlay(granule.image.uri, rectangle(granule.image.bounds), { pane: "imagery", alt: "" }).addTo(this.map);
    }
    granule.canvas = document.createElement("canvas");
    const px = granule.straight ? 1 : BENT_PX;
    granule.canvas.width = granule.cols * px;
    granule.canvas.height = granule.rows * px;
    granule.canvas.setAttribute("aria-hidden", "true");
    new CanvasOverlay(granule.canvas, rectangle(granule.bounds), { pane: "values", className: "values" }).addTo(this.map);
  }

  shape(district) {
    const rings = district.polygons.map((polygon) => polygon.map((ring) => ring.map(([x, y]) => [y, x])));
    const drawn = L.polygon(rings, { pane: "districts", weight: 1, interactive: false, className: "district" });
    return { district, drawn: drawn.addTo(this.districts) };
  }

  /** Show one layer; null shows the images alone. */
  show(layer) {
    const isDistricts = layer && layer.key === "districts";
    for (const granule of this.data.granules) this.paint(granule, isDistricts ? null : layer);
    for (const { district, drawn } of this.shapes) {
      const colour = isDistricts && district.score !== null ? this.colour(layer, district.score) : null;
      drawn.setStyle({ fillColor: colour || "#000", fillOpacity: colour ? 1 : 0, color: colour ? "#fff" : "#111" });
    }
  }

  borders(wanted) {
    if (wanted) this.districts.addTo(this.map);
    else this.districts.remove();
  }

  fade(share) {
    this.map.getPane("values").style.opacity = share;
    for (const { drawn } of this.shapes) if (drawn.options.fillOpacity > 0) drawn.setStyle({ fillOpacity: share });
  }

  colour(layer, value) {
    const ramp = this.data.ramps[layer.ramp];
    return ramp[Math.round(shareOf(layer, value) * (ramp.length - 1))];
  }

  paint(granule, layer) {
    const canvas = granule.canvas;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!layer || !(granule.id in layer.values)) return;
    if (granule.straight) this.paintStraight(granule, layer, context);
    else this.paintBent(granule, layer, context);
  }

  paintStraight(granule, layer, context) {
    const pixels = context.createImageData(granule.cols, granule.rows);
    const ramp = this.data.ramps[layer.ramp].map(channels);
    for (let place = 0; place < granule.rows * granule.cols; place += 1) {
      const value = valueOf(layer, granule, place);
      if (value === null) continue;
      pixels.data.set([...ramp[Math.round(shareOf(layer, value) * (ramp.length - 1))], 255], 4 * place);
    }
    context.putImageData(pixels, 0, 0);
  }

  paintBent(granule, layer, context) {
    const [left, low, right, high] = granule.bounds;
    const scale = [context.canvas.width / (right - left), context.canvas.height / (high - low)];
    for (let place = 0; place < granule.rows * granule.cols; place += 1) {
      const value = valueOf(layer, granule, place);
      if (value === null) continue;
      const corners = outline(granule, Math.floor(place / granule.cols), place % granule.cols);
      context.beginPath();
      for (const [x, y] of corners) context.lineTo((x - left) * scale[0], (high - y) * scale[1]);
      context.closePath();
      context.fillStyle = this.colour(layer, value);
      context.fill();
      // A line of the same colour closes the seams that smoothing leaves between neighbours.
      context.strokeStyle = context.fillStyle;
      context.stroke();
    }
  }
}
