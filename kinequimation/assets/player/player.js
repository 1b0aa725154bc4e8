// The one player: poses over a video and in space, played in the browser. The same script is a widget in a notebook and part of a file that
// plays without a network. mount(element, text, options) gets the whole motion as JSON (see player.py: `payload`) and asks nobody for anything.

const COLOURS = { left: [255, 135, 40], right: [50, 175, 255] }, MISSING = 65535, FEET = ["LH", "LF", "RH", "RF"];
const SPEEDS = [0.1, 0.25, 0.5, 1, 2];

const STYLE = `
:host { --ink: #22262a; --soft: #69727b; --paper: #ffffff; --card: #f3f5f6; --rule: #d9dee2; --accent: #a0562a;
  display: block; max-width: 1240px; color: var(--ink); outline: none; font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; text-align: left; }
:host(.dark) { --ink: #e8ebed; --soft: #98a3ac; --paper: #14171a; --card: #1f2428; --rule: #333a40; --accent: #f2a36b; }
.frame { background: var(--paper); border: 1px solid var(--rule); border-radius: 10px; overflow: hidden; }
:host(:focus-visible) .frame { border-color: var(--accent); box-shadow: 0 0 0 2px color-mix(in srgb, var(--accent) 35%, transparent); }
.head { display: flex; flex-wrap: wrap; gap: 2px 16px; align-items: baseline; padding: 8px 14px; }
.title { font-weight: 600; overflow-wrap: anywhere; } .key { color: var(--soft); font-size: 13px; display: flex; flex-wrap: wrap; gap: 2px 12px; margin-left: auto; }
.key i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 5px; }
.key .cloud { width: 16px; background: color-mix(in srgb, var(--soft) 30%, transparent); }
.views { display: grid; gap: 1px; background: var(--rule); border-block: 1px solid var(--rule); }
figure { margin: 0; position: relative; background: var(--paper); min-width: 0; }
figcaption { position: absolute; left: 10px; top: 8px; font-size: 12.5px; padding: 1px 8px; border-radius: 99px; background: color-mix(in srgb, var(--paper) 78%, transparent); color: var(--ink); pointer-events: none; }
.presets { position: absolute; right: 8px; top: 6px; display: flex; gap: 4px; }
.presets button { font-size: 12px; padding: 1px 8px; min-width: 0; height: 24px; background: color-mix(in srgb, var(--paper) 78%, transparent); }
canvas { display: block; width: 100%; } figure canvas { touch-action: pan-y; } figure.space canvas { cursor: grab; } figure.space canvas:active { cursor: grabbing; }
.label { position: absolute; pointer-events: none; font-size: 12px; line-height: 1.35; padding: 3px 8px; border-radius: 6px; background: var(--ink); color: var(--paper); white-space: nowrap; transform: translate(-50%, -130%); }
.strip { padding: 8px 14px 0; } .strip canvas { cursor: pointer; touch-action: none; border-radius: 3px; outline-offset: 3px; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; padding: 6px 14px 10px; }
button, select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--rule); border-radius: 7px; height: 34px; min-width: 38px; padding: 0 10px; cursor: pointer; }
button { display: inline-flex; align-items: center; justify-content: center; } button:hover, select:hover { border-color: var(--soft); }
button:focus-visible, select:focus-visible, .strip canvas:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button[aria-pressed=true] { border-color: var(--accent); color: var(--accent); } svg { width: 16px; height: 16px; fill: currentColor; }
.play { min-width: 52px; background: var(--ink); color: var(--paper); border-color: var(--ink); }
.at { font-variant-numeric: tabular-nums; min-width: 9.5em; padding-left: 4px; white-space: nowrap; } .at small { color: var(--soft); font-size: 12.5px; }
.more { display: flex; flex-wrap: wrap; gap: 6px; margin-left: auto; } .hint { padding: 0 14px 9px; color: var(--soft); font-size: 12px; }
@media (hover: none) { .hint { display: none; } }
@media print { .bar, .hint, .presets { display: none; } .frame { break-inside: avoid; } figure canvas { height: auto !important; } .strip { padding-bottom: 8px; } }
@media (max-width: 520px) { .head, .bar { padding-inline: 10px; } .strip { padding-inline: 10px; } .more, .key { margin-left: 0; } }
`;

const ICONS = {
  back: "M12.5 2.5v11L5 8zM3 2.5h2v11H3z", forward: "M3.5 2.5v11L11 8zM11 2.5h2v11h-2z", play: "M3.5 1.8v12.4L14 8z", pause: "M3.5 2h3.2v12H3.5zM9.3 2h3.2v12H9.3z",
  loop: "M8 2.2V0l4 3.2-4 3.2V4.2A3.9 3.9 0 0 0 4.6 10L3.2 11.4A5.9 5.9 0 0 1 8 2.2zm4.8 2.4A5.9 5.9 0 0 1 8 13.8V16l-4-3.2 4-3.2v2.2A3.9 3.9 0 0 0 11.4 6z",
};
const icon = name => `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;

function bytes(base64) {
  const text = atob(base64), out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

// Whole numbers of 16 bits -> metres or pixels; the largest stands for "missing"
function unpack(packed) {
  const raw = new Uint16Array(bytes(packed.data).buffer), out = new Float32Array(raw.length), d = packed.low.length;
  for (let i = 0; i < raw.length; i++) out[i] = raw[i] === MISSING ? NaN : packed.low[i % d] + packed.step * raw[i];
  return out;
}

const rgb = (c, alpha = 1) => `rgba(${c[0] | 0},${c[1] | 0},${c[2] | 0},${alpha.toFixed(3)})`;
const mix = (a, b, share) => a.map((v, i) => v + (b[i] - v) * share);
const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

// What the page behind the player looks like: the first background that is not see-through
function behindIsDark(element) {
  for (let e = element; e; e = e.parentElement || (e.getRootNode() instanceof ShadowRoot ? e.getRootNode().host : null)) {
    const c = (getComputedStyle(e).backgroundColor.match(/[\d.]+/g) || []).map(Number);
    if (c.length >= 3 && (c.length < 4 || c[3] > 0.5)) return 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2] < 110;
  }
  return getComputedStyle(document.documentElement).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches;
}

// One pose: its points, how sure they are, how it is drawn
class Pose {
  constructor(view) {
    Object.assign(this, view);
    this.k = view.names.length; this.dims = view.points.low.length; this.n = view.n;
    this.xyz = unpack(view.points); this.score = bytes(view.score);
    this.spread = view.sigma ? unpack(view.sigma) : null; this.spreadDims = view.sigma ? view.sigma.low.length : 0;
    this.bones = this.parents.map((p, c) => [p, c]).filter(([p]) => p >= 0);
    this.face = this.names.map(n => /^(skull|eye|nose|ear|jaw)/.test(n));
    this.hoof = this.names.map(n => /hoof/.test(n));
    this.trunk = this.names.map(n => /^(spine|neck|head)/.test(n) || n === "neck");
  }
  point(t, k) { const at = (t * this.k + k) * this.dims; return this.xyz.subarray(at, at + this.dims); }
  seen(t, k) { return Number.isFinite(this.xyz[(t * this.k + k) * this.dims]) && this.score[t * this.k + k] >= 255 * this.least; }
  sure(t, k) { return this.score[t * this.k + k] / 255; }
  spreadAt(t, k) { const d = this.spreadDims, at = (t * this.k + k) * d; return this.spread ? [0, 1, 2].map(i => this.spread[at + (d > 1 ? i : 0)]) : null; }
  colour(k, theme) { return this.side[k] > 0 ? COLOURS.left : this.side[k] < 0 ? COLOURS.right : theme.middle; }
  near(t) { return this.nearer ? this.nearer.charCodeAt(t) - 78 : 0; }           // "M" = -1, "N" = 0, "O" = 1
}

// The middle of the horse over time, free of the legs' beat
function middles(pose) {
  const raw = [], out = [];
  for (let t = 0; t < pose.n; t++) {
    const sum = [0, 0, 0]; let m = 0;
    for (let k = 0; k < pose.k; k++) if (pose.seen(t, k)) { const p = pose.point(t, k); sum[0] += p[0]; sum[1] += p[1]; sum[2] += p[2]; m++; }
    raw.push(m ? sum.map(v => v / m) : raw[t - 1] || null);
  }
  const first = raw.find(v => v) || [0, 0, 0], known = raw.map(v => v || first), height = known.reduce((s, v) => s + v[2], 0) / known.length;
  for (let t = 0; t < pose.n; t++) {
    const reach = Math.min(6, t, pose.n - 1 - t); let x = 0, y = 0;
    for (let j = -reach; j <= reach; j++) { x += known[t + j][0]; y += known[t + j][1]; }
    out.push([x / (2 * reach + 1), y / (2 * reach + 1), height]);
  }
  return out;
}

// A view of a 3D pose: an eye that goes round the horse
class Space {
  constructor(pose, eye) {
    this.pose = pose; this.eye = eye; this.path = middles(pose);
    let r = 0.3, all = [[Infinity, Infinity], [-Infinity, -Infinity]];
    for (let t = 0; t < pose.n; t++) for (let k = 0; k < pose.k; k++) if (pose.seen(t, k)) {
      const p = pose.point(t, k), m = this.path[t];
      r = Math.max(r, Math.hypot(p[0] - m[0], p[1] - m[1], p[2] - m[2]));
      for (const i of [0, 1]) { all[0][i] = Math.min(all[0][i], p[i]); all[1][i] = Math.max(all[1][i], p[i]); }
    }
    this.radius = r;
    this.wide = Math.max(r, Math.hypot(all[1][0] - all[0][0], all[1][1] - all[0][1]) / 2);
    this.centre = [(all[0][0] + all[1][0]) / 2, (all[0][1] + all[1][1]) / 2, this.path[0][2]];
  }

  aim(t, w, h, follow) {
    const { azimuth: a, elevation: e } = this.eye, r = follow ? this.radius : this.wide, target = follow ? this.path[t] : this.centre;
    const right = [Math.cos(a), Math.sin(a), 0], ahead = [-Math.sin(a) * Math.cos(e), Math.cos(a) * Math.cos(e), -Math.sin(e)], up = [-Math.sin(a) * Math.sin(e), Math.cos(a) * Math.sin(e), Math.cos(e)];
    const distance = 4.2 * r, f = this.eye.zoom * Math.min(w / (2.02 * r), h / (1.72 * r)) * distance, dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    this.project = p => {
      const q = [p[0] - target[0], p[1] - target[1], p[2] - target[2]], z = Math.max(0.05 * r, distance + dot(q, ahead)), s = f / z;
      return { x: w / 2 + s * dot(q, right), y: h / 2 - s * dot(q, up), z, s };
    };
    this.basis = { right, up, distance, target, r };
  }

  ground(c, theme) {   // half-metre squares that fade out, lying still in the world while the eye goes along
    const { target, r } = this.basis, step = r > 6 ? 2 : 0.5, reach = 2.1 * r, levels = [[], [], [], [], []];
    const piece = (p, q) => { const far = Math.hypot((p[0] + q[0]) / 2 - target[0], (p[1] + q[1]) / 2 - target[1]) / reach; if (far < 1) levels[Math.floor(5 * far)].push([p, q]); };
    for (const axis of [0, 1]) for (let u = Math.ceil((target[axis] - reach) / step) * step; u <= target[axis] + reach; u += step)
      for (let j = -8; j < 8; j++) {
        const v = 1 - axis, p = [0, 0, 0], q = [0, 0, 0];
        p[axis] = q[axis] = u; p[v] = target[v] + j * reach / 8; q[v] = target[v] + (j + 1) * reach / 8;
        piece(p, q);
      }
    c.lineWidth = 1;
    levels.forEach((pieces, i) => {
      c.strokeStyle = rgb(theme.grid, 0.8 * (1 - i / 5)); c.beginPath();
      for (const [p, q] of pieces) { const a = this.project(p), b = this.project(q); c.moveTo(a.x, a.y); c.lineTo(b.x, b.y); }
      c.stroke();
    });
  }

  shadow(c, t, theme) {   // one stroke for the trunk and one for the rest: what lies over itself gets no darker
    const pose = this.pose; c.strokeStyle = rgb(theme.shadow, theme.dark ? 0.45 : 0.09); c.lineCap = c.lineJoin = "round";
    for (const trunk of [true, false]) {
      c.beginPath(); let size = 0;
      for (const [p, k] of pose.bones) if (pose.trunk[k] === trunk && pose.seen(t, p) && pose.seen(t, k)) {
        const [a, b] = [p, k].map(i => { const q = pose.point(t, i); return this.project([q[0], q[1], 0]); });
        size = Math.max(size, a.s); c.moveTo(a.x, a.y); c.lineTo(b.x, b.y);
      }
      c.lineWidth = (trunk ? 0.2 : 0.07) * size; c.stroke();
    }
  }

  prints(c, t, contacts, theme) {   // a ring under each hoof that stands
    this.pose.hooves.forEach((k, foot) => {
      if (k < 0 || !contacts || contacts[foot][t] !== "1" || !this.pose.seen(t, k)) return;
      const p = this.pose.point(t, k), m = this.project([p[0], p[1], 0]);
      const flat = clamp(Math.sin(Math.abs(this.eye.elevation)), 0.12, 1);
      c.strokeStyle = rgb(this.pose.colour(k, theme), 0.9); c.lineWidth = 1.6; c.beginPath(); c.ellipse(m.x, m.y, 0.11 * m.s, 0.11 * m.s * flat, 0, 0, 7); c.stroke();
    });
  }

  draw(c, t, w, h, theme, how) {
    this.aim(t, w, h, how.follow);
    if (this.pose.ground) { this.ground(c, theme); this.shadow(c, t, theme); this.prints(c, t, how.contacts, theme); }
    this.now = this.pose.names.map((_, k) => this.pose.seen(t, k) ? this.project(this.pose.point(t, k)) : null);
    if (how.trails) trails(c, this.pose, t, how.trail, theme, p => this.project(p), 0.014 * this.basis.r);
    if (how.halos) halos(c, this.pose, t, this.now, this.basis, theme, how);
    const { distance, r } = this.basis, things = [];
    for (const [p, k] of this.pose.bones) if (this.now[p] && this.now[k]) things.push({ z: (this.now[p].z + this.now[k].z) / 2, p, k });
    for (let k = 0; k < this.pose.k; k++) if (this.now[k]) things.push({ z: this.now[k].z - 0.004, k });
    things.sort((a, b) => b.z - a.z);
    for (const { z, p, k } of things) {
      const fog = clamp(0.42 * (z - distance + 0.25 * r) / r, 0, 0.5), colour = mix(this.pose.colour(k, theme), theme.paper, fog), a = this.now[k];
      const sure = p === undefined ? this.pose.sure(t, k) : Math.min(this.pose.sure(t, p), this.pose.sure(t, k)), alpha = 0.22 + 0.78 * clamp(sure / 0.6, 0, 1);
      const size = Math.max(1.3, (this.pose.face[k] ? 0.011 : this.pose.trunk[k] ? 0.024 : 0.018) * this.basis.r * a.s * (0.55 + 0.45 * clamp(sure / 0.7, 0, 1)));
      p === undefined ? dot(c, a, (this.pose.hoof[k] ? 0.95 : 0.72) * size, colour, null, alpha) : bone(c, this.now[p], a, size, colour, theme.paper, alpha);
    }
  }
}

// A view of a 2D pose on its video: drawn as in overlay.py, the far side first and darker
class Picture {
  constructor(pose) { this.pose = pose; }

  draw(c, t, w, h, theme, how, picture) {
    const [pw, ph] = this.pose.size, s = Math.min(w / pw, h / ph), x0 = (w - s * pw) / 2, y0 = (h - s * ph) / 2, pose = this.pose, near = pose.near(t);
    if (picture) c.drawImage(picture, x0, y0, s * pw, s * ph); else { c.fillStyle = "#2a2e31"; c.fillRect(x0, y0, s * pw, s * ph); }
    if (how.bare) { this.now = []; return; }
    const on = { ...theme, middle: [240, 240, 240], ink: [255, 255, 255] }, rim = [20, 20, 25], place = p => ({ x: x0 + s * p[0], y: y0 + s * p[1], s });
    this.now = pose.names.map((_, k) => pose.seen(t, k) ? place(pose.point(t, k)) : null);
    const seen = this.now.filter(p => p), span = seen.length ? Math.max(...[p => p.x, p => p.y].map(f => Math.max(...seen.map(f)) - Math.min(...seen.map(f)))) : 0;
    const thick = clamp(span / 130, 0.9, 7), depth = pose.side.map(v => near * v);
    if (how.trails) trails(c, pose, t, how.trail, on, place, thick / s);
    if (how.halos) halos(c, pose, t, this.now, { right: [1, 0, 0], up: [0, 1, 0] }, on, how);
    for (const level of [-1, 0, 1]) {
      const far = level < 0, tone = k => mix([0, 0, 0], pose.colour(k, on), far ? 0.66 : 1), alpha = v => (far ? 0.85 : 1) * (v < 0.35 ? 0.45 : v < 0.65 ? 0.75 : 1);
      for (const [p, k] of pose.bones) if (depth[k] === level && this.now[p] && this.now[k]) {
        const sure = Math.min(pose.sure(t, p), pose.sure(t, k));
        bone(c, this.now[p], this.now[k], thick * (0.5 + 0.5 * Math.min(1, sure / 0.7)) * (far ? 0.75 : 1) * (pose.face[k] ? 0.6 : 1), tone(k), rim, alpha(sure));
      }
      for (let k = 0; k < pose.k; k++) if (depth[k] === level && this.now[k])
        dot(c, this.now[k], thick * (0.5 + 0.5 * Math.min(1, pose.sure(t, k) / 0.7)) * (pose.face[k] ? 0.7 : pose.hoof[k] ? 1.5 : 1) * (far ? 0.8 : 1), tone(k), rim, alpha(pose.sure(t, k)));
    }
  }
}

function bone(c, a, b, width, colour, rim, alpha) {   // the rim ends where the bone ends, or it would cut off the next one
  for (const [w, style, cap] of [[width + Math.max(1.4, 0.7 * width), rgb(rim, alpha), "butt"], [width, rgb(colour, alpha), "round"]]) { c.lineCap = cap; c.lineWidth = w; c.strokeStyle = style; c.beginPath(); c.moveTo(a.x, a.y); c.lineTo(b.x, b.y); c.stroke(); }
}

function dot(c, a, radius, colour, rim, alpha) {
  for (const [r, style] of [...(rim ? [[radius + Math.max(0.7, 0.35 * radius), rgb(rim, alpha)]] : []), [radius, rgb(colour, alpha)]]) { c.fillStyle = style; c.beginPath(); c.arc(a.x, a.y, r, 0, 7); c.fill(); }
}

// Where the hooves have been: lines that fade with age
function trails(c, pose, t, length, theme, place, width) {
  c.lineCap = "round";
  for (const k of pose.hooves) for (let u = Math.max(1, t - length + 1); k >= 0 && u <= t; u++) {
    if (!pose.seen(u - 1, k) || !pose.seen(u, k)) continue;
    const a = place(pose.point(u - 1, k)), b = place(pose.point(u, k)), age = (t - u) / length;
    c.strokeStyle = rgb(pose.colour(k, theme), 0.9 * (1 - age)); c.lineWidth = Math.max(1, width * b.s * (1 - 0.6 * age)); c.beginPath(); c.moveTo(a.x, a.y); c.lineTo(b.x, b.y); c.stroke();
  }
}

// Twice the standard deviation around a point, as the ellipse that an ellipsoid shows to this eye: added to the path
function ellipse(c, at, sigma, { right, up }) {
  if (!sigma || !Number.isFinite(sigma[0])) return;
  let a = 0, b = 0, d = 0;
  for (let i = 0; i < 3; i++) { const v = (sigma[i] || 0) ** 2; a += right[i] ** 2 * v; b += right[i] * up[i] * v; d += up[i] ** 2 * v; }
  const mean = (a + d) / 2, off = Math.hypot((a - d) / 2, b), angle = -Math.atan2(2 * b, a - d) / 2, long = 2 * at.s * Math.sqrt(mean + off);
  c.moveTo(at.x + long * Math.cos(angle), at.y + long * Math.sin(angle));
  c.ellipse(at.x, at.y, long, 2 * at.s * Math.sqrt(Math.max(0, mean - off)), angle, 0, 2 * Math.PI);
}

// One pale cloud a side, no darker where joints lie over one another, or it would hide the legs; a ring for the joint that was picked
function halos(c, pose, t, now, basis, theme, how) {
  for (const side of [0, -1, 1]) {
    c.beginPath(); let of = -1;
    for (let k = 0; k < pose.k; k++) if (pose.side[k] === side && now[k]) { ellipse(c, now[k], pose.spreadAt(t, k), basis); of = k; }
    if (of >= 0) { c.fillStyle = rgb(pose.colour(of, theme), side ? 0.14 : 0.1); c.fill(); }
  }
  const k = how.picked;
  if (k >= 0 && now[k]) { c.beginPath(); ellipse(c, now[k], pose.spreadAt(t, k), basis); c.fillStyle = rgb(pose.colour(k, theme), 0.2); c.fill(); c.strokeStyle = rgb(theme.ink, 0.9); c.lineWidth = 1.4; c.stroke(); }
}

// The video's pictures: decoded shortly before they are wanted, so that ten seconds fit into a telephone
class Film {
  constructor(view, room = 64) { this.codes = view.frames; this.mime = view.mime; this.room = room; this.held = new Map(); this.waiting = new Map(); }
  get(t) { return this.held.get(t); }
  want(t) {
    if (this.held.has(t)) return Promise.resolve();
    if (!this.waiting.has(t)) this.waiting.set(t, createImageBitmap(new Blob([bytes(this.codes[t])], { type: this.mime })).then(picture => {
      this.waiting.delete(t); this.held.set(t, picture);
      for (const old of this.held.keys()) { if (this.held.size <= this.room) break; if (old !== t) { this.held.get(old).close(); this.held.delete(old); } }
    }));
    return this.waiting.get(t);
  }
}

function mount(host, text, options = {}) {
  const data = typeof text === "string" ? JSON.parse(text) : text, n = data.n, root = host.shadowRoot || host.attachShadow({ mode: "open" }), abort = new AbortController(), listen = { signal: abort.signal };
  const state = { frame: -1, asked: 0, playing: false, loop: true, speed: 1, follow: data.follow, trails: data.trail > 0, trail: data.trail || Math.round(0.6 * data.fps), halos: true, bare: false, shown: 0, from: 0, since: 0 };
  if (data.views.length === 1) host.style.maxWidth = "880px";
  host.tabIndex = 0; host.setAttribute("role", "group"); host.setAttribute("aria-label", `Player: ${data.title}`);
  host.dataset.lmSuppressShortcuts = "true";   // JupyterLab would take the arrows for its own
  const eyes = {}, has = name => data.views.some(v => v[name]);
  const toggles = [["trails", "Trails", true], ["follow", "Follow", data.views.some(v => v.kind === "space" && v.ground)], ["halos", "Uncertainty", has("sigma")], ["bare", "Video only", has("frames")]].filter(t => t[2]);
  root.innerHTML = `<style>${STYLE}</style><div class="frame">
    <div class="head"><span class="title"></span><span class="key"><span><i style="background:${rgb(COLOURS.left)}"></i>left</span><span><i style="background:${rgb(COLOURS.right)}"></i>right</span><span>pale: unsure</span>${has("sigma") ? `<span title="Twice the standard deviation around each joint: six of seven times it lies in there. Point at a joint for its own."><i class="cloud"></i>where it may lie</span>` : ""}</span></div>
    <div class="views"></div><div class="strip"><canvas tabindex="0" role="slider" aria-label="frame" aria-valuemin="0" aria-valuemax="${n - 1}"></canvas></div>
    <div class="bar"><button class="back" title="One frame back (←)" aria-label="one frame back">${icon("back")}</button><button class="play" title="Play or pause (space)" aria-label="play">${icon("play")}</button><button class="forward" title="One frame on (→)" aria-label="one frame on">${icon("forward")}</button>
    <button class="loop" title="Over and over (L)" aria-label="loop" aria-pressed="true">${icon("loop")}</button><select class="speed" title="Speed (↑ ↓)" aria-label="speed">${SPEEDS.map(s => `<option value="${s}"${s === 1 ? " selected" : ""}>${s}×</option>`).join("")}</select>
    <span class="at"></span><span class="more">${toggles.map(([key, word]) => `<button data-toggle="${key}" aria-pressed="${state[key]}">${word}</button>`).join("")}</span></div>
    <div class="hint">space plays · ← → step (shift: ten) · ↑ ↓ speed · drag turns the horse, double-click turns it back</div></div>`;
  const $ = s => root.querySelector(s);
  $(".title").textContent = data.title;

  const ratio = Math.max(...data.views.filter(v => v.size && v.frames).map(v => v.size[1] / v.size[0]), 0) || (data.views.some(v => v.size) ? data.views.find(v => v.size).size[1] / data.views.find(v => v.size).size[0] : data.views.length > 1 ? 0.75 : 0.6);
  const views = data.views.map(view => {
    const pose = new Pose({ ...view, n, least: view.least ?? 0.15 }), figure = document.createElement("figure"), canvas = document.createElement("canvas");
    figure.className = view.kind; figure.append(canvas); $(".views").append(figure);
    canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", view.title || (view.kind === "space" ? "the pose in space" : "the pose on the video"));
    if (view.title) figure.insertAdjacentHTML("beforeend", "<figcaption></figcaption>"), figure.lastChild.textContent = view.title;
    if (view.kind !== "space") return { view, pose, canvas, figure, film: view.frames ? new Film(view) : null, painter: new Picture(pose) };
    const eye = eyes[view.frame] ||= { azimuth: view.azimuth, elevation: view.elevation, zoom: 1, start: { azimuth: view.azimuth, elevation: view.elevation, zoom: 1 } };   // poses of one frame of reference are turned together
    return { view, pose, canvas, figure, film: null, eye, painter: new Space(pose, eye) };
  });
  const films = views.map(v => v.film).filter(f => f);

  // --- drawing
  let theme, pending = 0, wide = 0, printing = false;
  function retheme() {
    const dark = !printing && behindIsDark(host.parentElement); host.classList.toggle("dark", dark);
    theme = dark ? { dark, paper: [20, 23, 26], middle: [214, 219, 223], grid: [74, 84, 93], ink: [232, 235, 237], soft: [152, 163, 172], rule: [51, 58, 64], shadow: [0, 0, 0] }
      : { dark, paper: [255, 255, 255], middle: [92, 98, 104], grid: [203, 210, 216], ink: [34, 38, 42], soft: [105, 114, 123], rule: [217, 222, 226], shadow: [30, 25, 20] };
    redraw();
  }
  function layout() {   // one, two or three beside one another, as there is room; all of one height
    wide = host.clientWidth;
    if (!wide) return;
    const columns = Math.max(1, Math.min(views.length, 3, Math.floor(wide / 300)));
    $(".views").style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const w = Math.floor((wide - 2 - (columns - 1)) / columns), sharp = Math.min(2, devicePixelRatio || 1);
    for (const { canvas } of views) { const h = Math.round(w * clamp(ratio, 0.45, 1.3)); canvas.width = Math.round(w * sharp); canvas.height = Math.round(h * sharp); canvas.style.height = h + "px"; }
    const strip = $(".strip canvas"), h = data.contacts ? 84 : 40; strip.style.height = h + "px"; strip.width = Math.round(strip.clientWidth * sharp); strip.height = Math.round(h * sharp);
    redraw();
  }
  function paint(t) {
    for (const one of views) {
      const { canvas, painter, film } = one, how = { ...state, contacts: data.contacts, picked: one.picked ?? -1 };
      const c = canvas.getContext("2d"), sharp = Math.min(2, devicePixelRatio || 1);
      c.setTransform(sharp, 0, 0, sharp, 0, 0); c.clearRect(0, 0, canvas.width, canvas.height);
      painter.draw(c, t, canvas.width / sharp, canvas.height / sharp, theme, how, film && film.get(t));
      if (one.tell) one.tell(t);
    }
    paintStrip(t);
  }
  const gutter = data.contacts ? 30 : 4, along = w => ({ left: gutter, right: w - 6, x: t => gutter + (w - 6 - gutter) * (n > 1 ? t / (n - 1) : 0) });
  function paintStrip(t) {
    const canvas = $(".strip canvas"), c = canvas.getContext("2d"), sharp = Math.min(2, devicePixelRatio || 1), w = canvas.width / sharp, h = canvas.height / sharp, { left, right, x } = along(w), half = (right - left) / Math.max(1, n - 1) / 2;
    c.setTransform(sharp, 0, 0, sharp, 0, 0); c.clearRect(0, 0, w, h); c.font = "11px system-ui, sans-serif"; c.textBaseline = "middle";
    const rows = data.contacts ? 4 : 0, base = rows ? 54 : 10;
    for (let foot = 0; foot < rows; foot++) {   // a bar for each time that a hoof stands
      const y = 2 + 13 * foot, colour = foot < 2 ? COLOURS.left : COLOURS.right;
      c.fillStyle = rgb(theme.rule, 0.45); c.fillRect(left, y, right - left, 10);
      c.fillStyle = rgb(theme.soft); c.textAlign = "left"; c.fillText(FEET[foot], 4, y + 5.5);
      c.fillStyle = rgb(foot % 2 ? mix(colour, theme.paper, 0.38) : colour);
      for (let a = 0; a < n; a++) if (data.contacts[foot][a] === "1") { let b = a; while (b + 1 < n && data.contacts[foot][b + 1] === "1") b++; const from = Math.max(left, x(a) - half), to = Math.min(right, x(b) + half); c.beginPath(); c.roundRect(from, y, to - from, 10, 3); c.fill(); a = b; }
    }
    c.fillStyle = rgb(theme.rule); c.fillRect(left, base + 2, right - left, 4); c.fillStyle = rgb(theme.soft, 0.8); c.fillRect(left, base + 2, x(t) - left, 4);
    const seconds = (n - 1) / data.fps, step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300].find(s => seconds / s <= Math.max(2, w / 70)) || 600;
    c.fillStyle = rgb(theme.soft); c.textAlign = "center";
    for (let i = 0; i * step <= seconds + 1e-9; i++) { const at = x(i * step * data.fps); c.fillRect(at - 0.5, base + 9, 1, 4); c.fillText(`${+(i * step).toFixed(2)}${i ? "" : " s"}`, clamp(at, left + 6, right - 8), base + 21); }
    c.fillStyle = rgb(theme.ink); c.fillRect(x(t) - 1, 0, 2, base + 4); c.beginPath(); c.arc(x(t), base + 4, 6, 0, 7); c.fill();
    canvas.setAttribute("aria-valuenow", t); canvas.setAttribute("aria-valuetext", `frame ${t}, ${(t / data.fps).toFixed(2)} seconds`);
  }
  function redraw() { state.dirty = true; wake(); }

  // --- time: what is asked for is drawn when its pictures are there, and never another picture with it
  function wake() { if (!pending) pending = requestAnimationFrame(tick); }
  function tick(now) {
    pending = 0;
    if (!host.isConnected) { if (options.keep !== false) return; }
    if (state.playing) {
      let at = Math.floor(state.from + (now - state.since) / 1000 * data.fps * state.speed + 1e-6);
      if (at >= n) { if (state.loop) { at %= n; state.from = at; state.since = now; } else { at = n - 1; pause(); } }
      state.asked = Math.max(0, at);
    }
    const t = state.asked, ready = films.every(f => f.get(t));
    if (ready && theme && wide && (t !== state.frame || state.dirty)) {
      if (t !== state.frame) state.shown++;
      state.dirty = false; state.frame = t; paint(t);
      $(".at").innerHTML = `frame <b>${t}</b> <small>of ${n - 1} · ${(t / data.fps).toFixed(2)} s</small>`; host.dataset.frame = t;
    }
    for (const film of films) { const first = film.want(t); if (!ready) first.then(wake); for (let j = 1; state.playing && j <= 12; j++) film.want((t + j) % n); }
    if (state.playing) wake();
  }
  function play() { if (state.playing) return; if (!state.loop && state.asked >= n - 1) state.asked = 0; state.playing = true; state.from = state.asked; state.since = performance.now(); button(); wake(); }
  function pause() { state.playing = false; button(); if (options.settled) options.settled(state.asked); }
  function seek(t) { const was = state.playing; state.playing = false; if (was) button(); state.asked = clamp(Math.round(t), 0, n - 1); wake(); if (options.settled) options.settled(state.asked); }
  function button() { $(".play").innerHTML = icon(state.playing ? "pause" : "play"); $(".play").setAttribute("aria-label", state.playing ? "pause" : "play"); host.dataset.playing = state.playing; }
  function speed(s) { if (state.playing) { state.from = state.asked; state.since = performance.now(); } state.speed = s; $(".speed").value = s; }
  const around = t => state.loop ? (t + n) % n : t;
  function toggle(key) { state[key] = !state[key]; const b = root.querySelector(`[data-toggle=${key}]`) || $("." + key); b.setAttribute("aria-pressed", state[key]); redraw(); }

  $(".play").onclick = () => state.playing ? pause() : play();
  $(".back").onclick = () => seek(around(state.asked - 1)); $(".forward").onclick = () => seek(around(state.asked + 1));
  $(".loop").onclick = () => toggle("loop"); $(".speed").onchange = e => speed(+e.target.value);
  for (const b of root.querySelectorAll("[data-toggle]")) b.onclick = () => toggle(b.dataset.toggle);

  const keys = { " ": () => state.playing ? pause() : play(), k: () => state.playing ? pause() : play(), ArrowLeft: e => seek(around(state.asked - (e.shiftKey ? 10 : 1))), ArrowRight: e => seek(around(state.asked + (e.shiftKey ? 10 : 1))),
    Home: () => seek(0), End: () => seek(n - 1), l: () => toggle("loop"), ArrowUp: () => speed(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(state.speed) + 1)]), ArrowDown: () => speed(SPEEDS[Math.max(0, SPEEDS.indexOf(state.speed) - 1)]) };
  host.addEventListener("keydown", e => {
    const on = e.composedPath()[0].tagName;
    if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key] || on === "SELECT" || (on === "BUTTON" && e.key === " ")) return;
    e.preventDefault(); e.stopPropagation(); keys[e.key](e);
  }, listen);

  // --- scrubbing, turning, pointing
  const strip = $(".strip canvas"), scrub = e => { const r = strip.getBoundingClientRect(), { left, right } = along(r.width); seek((e.clientX - r.left - left) / (right - left) * (n - 1)); };
  strip.addEventListener("pointerdown", e => { strip.setPointerCapture(e.pointerId); scrub(e); }, listen);
  strip.addEventListener("pointermove", e => { if (e.buttons & 1) scrub(e); }, listen);
  for (const one of views) {
    const { canvas, eye, figure, painter, pose, view } = one;
    const held = new Map();
    canvas.addEventListener("pointerdown", e => { host.focus({ preventScroll: true }); pick(e); if (eye) { held.set(e.pointerId, e); canvas.setPointerCapture(e.pointerId); } }, listen);
    for (const gone of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(gone, e => held.delete(e.pointerId), listen);
    canvas.addEventListener("pointermove", e => {
      const before = held.get(e.pointerId);
      if (!before) return pick(e);
      if (held.size === 2) { const [other] = [...held.values()].filter(p => p.pointerId !== e.pointerId), far = p => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY); eye.zoom = clamp(eye.zoom * far(e) / Math.max(1, far(before)), 0.3, 8); }
      else { eye.azimuth -= (e.clientX - before.clientX) * 0.008; eye.elevation = clamp(eye.elevation + (e.clientY - before.clientY) * 0.006, -0.35, 1.5); }
      held.set(e.pointerId, e); redraw();
    }, listen);
    canvas.addEventListener("dblclick", () => { if (eye) { Object.assign(eye, eye.start); redraw(); } }, listen);
    canvas.addEventListener("wheel", e => { if (!eye || !(e.ctrlKey || document.activeElement === host || root.activeElement)) return; e.preventDefault(); eye.zoom = clamp(eye.zoom * Math.exp(-0.0015 * e.deltaY), 0.3, 8); redraw(); }, { passive: false, ...listen });
    const label = document.createElement("div"); label.className = "label"; label.hidden = true; figure.append(label);
    canvas.addEventListener("pointerleave", e => { if (e.pointerType === "mouse") choose(-1); }, listen);   // what a finger picked stays
    function pick(e) {
      const r = canvas.getBoundingClientRect(), x = e.clientX - r.left, y = e.clientY - r.top; let best = e.pointerType === "touch" ? 20 : 11, found = -1;
      (painter.now || []).forEach((p, k) => { const d = p ? Math.hypot(p.x - x, p.y - y) : 99; if (d < best) { best = d; found = k; } });
      choose(found);
    }
    function choose(k) { if (one.picked === k) return; one.picked = k; one.tell(state.frame); redraw(); }
    one.picked = -1;
    one.tell = t => {   // the name of the joint that was picked, how sure it is, where it is; it goes along with it
      const k = one.picked, p = k >= 0 ? (painter.now || [])[k] : null, space = view.kind === "space"; label.hidden = !p;
      if (!p) return;
      const at = [...pose.point(t, k)].map(v => v.toFixed(space ? 2 : 0)).join(", "), sigma = pose.spreadAt(t, k), spread = sigma && Number.isFinite(sigma[0]) ? Math.hypot(...sigma) / Math.sqrt(3) : null;
      label.textContent = `${pose.names[k]} · ${Math.round(100 * pose.sure(t, k))} % sure · ${at} ${space ? "m" : "px"}${spread === null ? "" : ` ± ${space ? `${(100 * spread).toFixed(1)} cm` : `${spread.toFixed(1)} px`}`}`;
      const half = label.offsetWidth / 2 + 4; label.style.left = clamp(p.x, half, Math.max(half, figure.clientWidth - half)) + "px"; label.style.top = Math.max(30, p.y) + "px";
    };
    if (eye) {
      const presets = document.createElement("div"); presets.className = "presets"; figure.append(presets);
      for (const [word, azimuth, elevation] of view.presets) { const b = document.createElement("button"); b.textContent = word; b.title = `Look from the ${word}`; b.onclick = () => { Object.assign(eye, { azimuth, elevation }); redraw(); }; presets.append(b); }
    }
  }

  const watch = new ResizeObserver(() => { if (host.clientWidth !== wide) layout(); }); watch.observe(host);
  const look = new MutationObserver(retheme); for (const e of [document.documentElement, document.body]) look.observe(e, { attributes: true, attributeFilter: ["class", "style", "data-bs-theme", "data-jp-theme-light", "data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", retheme, listen);
  for (const [when, yes] of [["beforeprint", true], ["afterprint", false]])   // paper is white, and no frame is drawn between this call and the printing
    addEventListener(when, () => { printing = yes; retheme(); if (state.frame >= 0 && wide) paint(state.frame); }, listen);
  retheme(); layout(); button(); seek(data.start || 0);
  host.player = { state, eyes, play, pause, seek, speed, n, fps: data.fps, joints: i => views[i].painter.now };
  return () => { state.playing = false; abort.abort(); watch.disconnect(); look.disconnect(); };
}
