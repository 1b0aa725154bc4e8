# SPDX-License-Identifier: GPL-3.0-or-later
"""What a horse wears and who rides it: halter, bridle and reins, saddle, pad and girth, rug, bandages, boots, fly mask, lead rope; a rider or somebody at its head.

All of it is one mesh of grids. Most grids lie on the skin: each of their points is tied, once a job, to a place on a triangle of the standard skin, and stands a few
millimetres off it; so they fit every horse and go where its skin goes. Rider and ropes are tubes around lines, pushed out of the skin where they would enter it.
"""
import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from . import shape, stage
from .horse import BODY

SEATS = {  # for a rider of 1.70 m, in the saddle's axes (m; forward is -Y): how far out of the saddle, lean (rad), ways of thigh and shin (left; the flank pushes them out), place of the left hand
    "dressage": dict(lift=.0, back=.02, lean=.02, thigh=(.10, -.58, -.76), shin=(-.08, .34, -.93), hand=(.055, -.34, .20)),
    "hunt": dict(lift=.01, back=.0, lean=.30, thigh=(.10, -.70, -.62), shin=(-.08, .40, -.92), hand=(.065, -.42, .20)),
    "two_point": dict(lift=.12, back=.06, lean=.85, thigh=(.10, -.70, -.66), shin=(-.08, .48, -.88), hand=(.075, -.58, .18)),
    "jockey": dict(lift=.24, back=.12, lean=1.22, thigh=(.10, -.82, -.52), shin=(-.06, .66, -.75), hand=(.085, -.62, .15)),
    "western": dict(lift=.0, back=.04, lean=-.06, thigh=(.10, -.54, -.78), shin=(-.08, .06, -1.), hand=(.01, -.30, .27)),
    "bareback": dict(lift=-.02, back=.0, lean=.10, thigh=(.10, -.60, -.70), shin=(-.08, .26, -.96), hand=(.065, -.40, .14))}
SADDLES = ("english", "dressage", "racing", "western")
HEADGEAR, COVERS, LEGWEAR, HEADWEAR = ("halter", "bridle"), ("rug", "sheet"), ("bandages", "boots", "bells"), ("helmet", "cap", "hat", "none")
COMMON = np.array([.20, .14, .16, .10, .08, .06, .08, .08, .03, .03, .04])  # shares of COLOURS
LEATHERS = np.array([(.010, .007, .006), (.035, .014, .007), (.10, .040, .015), (.20, .09, .035)])
COLOURS = np.array([(.012, .012, .014), (.7, .7, .68), (.02, .035, .12), (.25, .015, .02), (.02, .10, .045), (.05, .16, .45), (.45, .30, .14), (.16, .16, .17), (.35, .05, .22), (.55, .40, .05), (.30, .28, .25)])
FACES = np.array([(.50, .29, .20), (.38, .20, .13), (.20, .095, .055), (.07, .035, .022)])
METAL = (.45, .45, .44)
AXIS_Z, SEAT_Y = 1.22, -.19  # m, where rays to the barrel's skin start; where one sits
UP = np.array([0, 0, 1.])

NOTHING = dict(headgear=None, saddle=None, pad=None, cover=None, surcingle=False, breast=False, legs=None, mask=False, rope=False, rider=None, handler=None,
               colours=dict(pad=(.7, .7, .68), trim=(.02, .03, .12), cover=(.02, .035, .12), legs=(.7, .7, .68), rope=(.05, .16, .45), leather=(.035, .014, .007), halter=(.25, .015, .02)))


def draw_tack(rng, look):
    """What this horse wears: a dict that goes into JSON. About half wear nothing, a quarter are ridden; foals at most a halter.

    Keys: headgear (of HEADGEAR), saddle (of SADDLES), pad (square, shaped, western), cover (of COVERS), surcingle, breast, legs {kind (of LEGWEAR), which (LH, LF, RH, RF)}, mask, rope,
    rider {seat (of SEATS), size (1 = 1.70 m), lean (rad), hat (of HEADWEAR), colours}, handler {size, colours}, colours (linear RGB).
    """
    tack = NOTHING | dict(colours={key: several(rng) for key in ("pad", "trim", "cover", "legs", "rope")})
    tack["colours"]["leather"] = listed(LEATHERS[rng.integers(len(LEATHERS))] * rng.uniform(.7, 1.3))
    tack["colours"]["halter"] = several(rng) if rng.random() < .6 else tack["colours"]["leather"]
    fate, foal, led = rng.random(), look.get("kind") == "foal", rng.random()
    if foal:
        return tack | dict(headgear="halter" if fate < .15 else None)
    if fate < .5:
        return tack
    if fate < .76:
        return tack | ridden(rng, float(look.get("height_m", 1.6)))
    tack |= dict(headgear="halter" if rng.random() < .65 else "bridle" if rng.random() < .6 else None, legs=drawn_legs(rng, .35), mask=bool(rng.random() < .12))
    if rng.random() < .35:
        tack |= dict(cover=str(rng.choice(COVERS)), surcingle=bool(rng.random() < .5))
    elif rng.random() < .35:
        tack |= saddled(rng, str(rng.choice(SADDLES, p=[.45, .2, .05, .3])), "bridle" if rng.random() < .7 else "halter")
    elif rng.random() < .2:
        tack |= dict(surcingle=True)
    if tack["headgear"] == "halter":
        tack |= dict(rope=bool(led < .6), handler=dict(person(rng, rng.uniform(.92, 1.06)), hat=str(rng.choice(HEADWEAR, p=[.1, .25, .1, .55]))) if led < .25 else None)
    return tack


def ridden(rng, height_m):
    """Saddle, bridle and rider of one sort."""
    style = str(rng.choice(["dressage", "hunt", "two_point", "jockey", "western", "bareback"], p=[.18, .30, .12, .12, .2, .08]))
    saddle = {"dressage": "dressage", "hunt": "english", "two_point": "english", "jockey": "racing", "western": "western", "bareback": None}[style]
    hat = {"western": ["hat", "hat", "cap", "helmet"], "bareback": ["none", "helmet", "cap", "none"]}.get(style, ["helmet"] * 4)[rng.integers(4)]
    size = .68 + .07 * rng.random() if height_m < 1.30 else rng.uniform(.72, .98) if height_m < 1.46 else rng.uniform(.90, 1.08)
    rider = dict(person(rng, size), seat=style, lean=round(float(rng.normal(0, .07)), 3), hat=hat)
    return saddled(rng, saddle, "bridle") | dict(rider=rider, legs=drawn_legs(rng, .45))


def saddled(rng, saddle, headgear):
    pad = None if saddle is None else "western" if saddle == "western" else str(rng.choice(["square", "shaped"]))
    return dict(saddle=saddle, pad=pad, headgear=headgear, breast=bool(rng.random() < (.6 if saddle == "western" else .15)))


def person(rng, size):
    jacket, trousers = COLOURS[rng.choice(len(COLOURS), 2, p=COMMON)] * rng.uniform(.6, 1.3, (2, 1))
    if rng.random() < .4:
        trousers = np.array([.62, .60, .55])
    sleeves = jacket if rng.random() < .7 else COLOURS[rng.choice(len(COLOURS), p=COMMON)]
    boots, face = LEATHERS[rng.choice(4, p=[.6, .2, .15, .05])], FACES[rng.integers(len(FACES))] * rng.uniform(.8, 1.15)
    hair = rng.uniform(.3, 1) * np.array([.12, .06, .03])
    return dict(size=round(float(size), 3), colours=dict(jacket=listed(jacket), sleeves=listed(sleeves), trousers=listed(trousers), boots=listed(boots), face=listed(face),
                                                         hat=several(rng, [0, 0, 0, 2, 7, 6, 1]), hair=listed(hair)))


def drawn_legs(rng, share):
    if rng.random() > share:
        return None
    return dict(kind=str(rng.choice(LEGWEAR, p=[.5, .35, .15])), which=[int(x) for x in ([1, 1, 1, 1], [0, 1, 0, 1])[int(rng.random() < .3)]])


def several(rng, among=None):
    return listed(COLOURS[rng.choice(among or len(COLOURS), p=None if among else COMMON)] * rng.uniform(.7, 1.3))


def listed(colour):
    return [round(float(c), 4) for c in np.clip(colour, .004, .85)]


def unit(v):
    return v / np.maximum(np.sqrt((v * v).sum(-1, keepdims=True)), 1e-9)


def cross(a, b):
    """np.cross, without what it spends on small arrays: there are hundreds a frame."""
    return a[..., (1, 2, 0)] * b[..., (2, 0, 1)] - a[..., (2, 0, 1)] * b[..., (1, 2, 0)]


def slope(points):
    """(n,...) the differences of neighbours along the first axis, which is all of np.gradient that is needed for a direction."""
    out = np.empty_like(points)
    np.subtract(points[2:], points[:-2], out=out[1:-1])
    out[0], out[-1] = 2 * (points[1] - points[0]), 2 * (points[-1] - points[-2])
    return out


class Sheet:
    """A grid of points (n,m) tied to the skin, each `offset` off it."""

    def __init__(self, horse, start, way, offset, colour, closed=False):
        """`start` (n,m,3) inside the standard horse and `way` (n,m,3): where their rays leave it is the place on the skin."""
        self.shape, self.closed = start.shape[:2], closed
        self.corners, self.shares = tied(horse, start.reshape(-1, 3), np.broadcast_to(way, start.shape).reshape(-1, 3))
        self.offset = np.broadcast_to(offset, self.shape)[..., None]
        self.colour = np.broadcast_to(colour, self.shape + (3,)).reshape(-1, 3)
        base = self.on_skin(horse["vertices"])
        self.sign = np.sign((self.normal(base) * np.broadcast_to(way, start.shape)).sum())

    def on_skin(self, vertices):
        return np.einsum("pk,pkx->px", self.shares, vertices[self.corners]).reshape(*self.shape, 3)

    def normal(self, base):
        if self.closed:
            along = np.roll(base, -1, 0) - np.roll(base, 1, 0)
        else:
            along = slope(base)
        return unit(cross(along, slope(base.swapaxes(0, 1)).swapaxes(0, 1)))

    def placed(self, vertices):
        base = self.on_skin(vertices)
        return base + self.sign * self.offset * self.normal(base)

    def faces(self):
        return shape.sheet_faces(*self.shape, closed=self.closed)


def tied(horse, start, way):
    """(N,3) corners and (N,3) shares of them: where rays from inside leave the standard skin."""
    if "tree" not in horse:
        horse["body_triangles"] = horse["triangles"][(horse["part"][horse["triangles"]] == BODY).all(1)]
        horse["tree"] = BVHTree.FromPolygons(horse["vertices"].tolist(), horse["body_triangles"].tolist(), all_triangles=True)
    tree, hits, which = horse["tree"], [], []
    for a, d in zip(start.tolist(), way.tolist()):
        place, _, face, _ = tree.ray_cast(Vector(a), Vector(d))
        if place is None:
            place, _, face, _ = tree.find_nearest(Vector(a))
        hits.append(place)
        which.append(face)
    corners = horse["body_triangles"][which]
    a, b, c = np.moveaxis(horse["vertices"][corners], 1, 0)
    p, ab, ac = np.array(hits) - a, b - a, c - a
    inner = np.array([[(ab * ab).sum(1), (ab * ac).sum(1)], [(ab * ac).sum(1), (ac * ac).sum(1)]]).transpose(2, 0, 1) + 1e-12 * np.eye(2)
    bc = np.linalg.solve(inner, np.stack([(p * ab).sum(1), (p * ac).sum(1)], 1)[..., None])[..., 0]
    return corners, np.concatenate([1 - bc.sum(1, keepdims=True), bc], 1)


class Anchors:
    """Places on the skin, each `off` m outside of it: where the rays from `start` (K,3) along `way` (K,3) leave the standard skin."""

    def __init__(self, horse, start, way, off):
        start = np.asarray(start, float)
        way = np.broadcast_to(way, start.shape)
        self.corners, self.shares = tied(horse, start, way)
        self.off, self.sign = np.broadcast_to(off, len(start))[:, None], 1.
        self.sign = np.sign((self.out(horse["vertices"]) * way).sum(1, keepdims=True))

    def out(self, vertices):
        a, b, c = np.moveaxis(vertices[self.corners], 1, 0)
        return self.sign * unit(cross(b - a, c - a))

    def placed(self, vertices):
        return np.einsum("pk,pkx->px", self.shares, vertices[self.corners]) + self.off * self.out(vertices)


def on_neck(t, n):
    """(3,) in the median plane: `t` along the neck's axis from the withers, `n` towards the crest (m)."""
    origin, along, out = shape.NECK_AXIS
    return np.array([0, *(origin + t * along + n * out)])


def over_back(horse, front, back, reach, offset, colour, n=18, m=23):
    """A sheet over the back: `front` and `back` give y for a share 0..1 of the way down (`reach` rad from straight up, to each side); `offset` and `colour` too, of (along 0..1, down)."""
    down, along = np.linspace(-1, 1, m), np.linspace(0, 1, n)[:, None]
    share = np.abs(down)
    y = front(share) * (1 - along) + back(share) * along
    angle = np.broadcast_to(reach * down, y.shape)
    start = np.stack([0 * y, y, AXIS_Z + 0 * y], -1)
    way = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], -1)
    u, s = np.broadcast_arrays(along, share)
    return Sheet(horse, start, way, offset(u, s) if callable(offset) else offset, colour(u, s) if callable(colour) else colour)


def table(*pairs):
    """A function of one number through these points."""
    x, y = zip(*pairs)
    return lambda s: np.interp(s, x, y)


def hem(u, s, thick, width=.07):
    """The thickness of a sheet that comes down to the skin at its edges."""
    edge = np.minimum(np.minimum(u, 1 - u), 1.0 - s)
    return .004 + (thick - .004) * np.clip(edge / width, 0, 1)


def pad(horse, kind, colours):
    front, back, thick = table((0, -.48), (.3, -.50), (.6, -.55), (1, -.51)), table((0, .14), (.6, .09), (1, .04)), .010
    reach = 1.75
    if kind == "shaped":
        front, back = table((0, -.47), (.3, -.49), (.7, -.56), (.9, -.53), (1, -.45)), table((0, .12), (.35, .08), (.55, -.08), (.9, -.13), (1, -.25))
    if kind == "western":
        front, back, thick, reach = table((0, -.49), (1, -.53)), table((0, .24), (1, .24)), .015, 1.42
    main, trim = np.array(colours["pad"]), np.array(colours["trim"])

    def colour(u, s):
        edge = np.minimum(np.minimum(u, 1 - u), 1 - s)[..., None]
        striped = np.sin(s * 34)[..., None] > .3 if kind == "western" else edge < .05
        return np.where(striped, trim, main)
    return over_back(horse, front, back, reach, lambda u, s: hem(u, s, thick), colour)


def saddle(horse, kind, leather, size):
    """Seat, pommel, cantle and flaps."""
    front = table((0, -.43), (.2, -.44), (.4, -.45), (.7, -.54), (.9, -.50), (1, -.42))
    back, reach = table((0, .08), (.22, .08), (.36, .0), (.46, -.13), (.7, -.16), (1, -.26)), 1.72
    middle = table((0, .070), (.08, .085), (.45, .045), (.8, .080), (.94, .105), (1, .100))
    if kind == "dressage":
        front, back, reach = table((0, -.42), (.4, -.43), (.7, -.46), (1, -.40)), table((0, .07), (.22, .07), (.36, .0), (.46, -.14), (1, -.21)), 1.85
    if kind == "racing":
        front, back, reach = table((0, -.43), (.4, -.46), (.75, -.54), (1, -.46)), table((0, -.04), (.3, -.06), (.5, -.19), (1, -.30)), 1.25
        middle = table((0, .045), (.5, .030), (.9, .055), (1, .05))
    if kind == "western":
        front, back, reach = table((0, -.45), (.45, -.48), (.5, -.42), (1, -.38)), table((0, .12), (.15, .16), (.45, .17), (.5, -.14), (1, -.14)), 1.85
        middle = table((0, .10), (.08, .125), (.22, .085), (.5, .055), (.80, .09), (.90, .13), (1, .09))
    leather, thick = np.array(leather), .026

    def offset(u, s):
        seat = (1 - np.clip((s - .06) / (.26 if kind == "western" else .24), 0, 1)) ** 1.5
        return (hem(u, s, thick) + seat * (middle(u) - thick) * np.clip(np.minimum(u, 1 - u) / .03, .35, 1)) * size

    def colour(u, s):
        tone = np.where((s < .3) & (u > .12) & (u < .9), .75, 1.) * np.where(np.abs(s - .42) < .04, .6, 1)
        return leather * tone[..., None]
    return over_back(horse, front, back, reach, offset, colour, n=24, m=33)


def girth(horse, y, width, colour, whole=False, offset=.016):
    """A band around the barrel: all of it, or what is below the flaps."""
    angle = np.linspace(-np.pi, np.pi, 41)[:-1] if whole else np.linspace(1.1, 2 * np.pi - 1.1, 27)
    at = np.array(y) + np.linspace(-.5, .5, 4) * width
    start = np.zeros((len(angle), 4, 3))
    start[..., 1], start[..., 2] = at, AXIS_Z
    way = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], -1)[:, None] + 0 * start
    return Sheet(horse, start, way, offset, colour, closed=whole)


def rug(horse, kind, colours):
    """From withers to dock and down the sides, hanging a little off where the body goes in."""
    front, back = table((0, -.66), (.35, -.74), (.7, -.85), (1, -.80)), table((0, .955), (.4, .965), (1, .93))
    reach, main, trim = (1.86, 1.62)[kind == "sheet"], np.array(colours["cover"]), np.array(colours["trim"])

    def colour(u, s):
        edge = np.minimum(np.minimum(u, 1 - u), 1 - s)[..., None]
        return np.where(edge < .035, trim, main) * (1 - .12 * (np.sin(u * 40) * np.sin(s * 30) > .5) * (kind == "rug"))[..., None]
    return over_back(horse, front, back, reach, lambda u, s: .012 + .012 * (kind == "rug") * np.clip(np.minimum(u, 1 - u) * 20, 0, 1) + .035 * np.clip(s - .75, 0, 1), colour, n=40, m=37)


def breast_strap(horse, colour, width=.045):
    """A band across the breast from one side of the saddle to the other."""
    angle = np.linspace(-1.75, 1.75, 31)
    height = 1.20 + .14 * (np.abs(angle) / 1.75) ** 2
    start = np.zeros((len(angle), 3, 3))
    start[..., 1], start[..., 2] = -.56, height[:, None] + np.linspace(-.5, .5, 3) * width
    way = np.stack([np.sin(angle), -np.cos(angle), 0 * angle], -1)[:, None] + 0 * start
    return Sheet(horse, start, way, .013, colour)


def leg_sleeve(horse, side, hind, low, high, thick, colour, n_rows=9):
    """Around the leg between two heights (m on the standard horse)."""
    rows, angle = np.linspace(low, high, n_rows), np.linspace(0, 2 * np.pi, 15)[:-1]
    axis = shape._profile(shape.HIND if hind else shape.FORE, rows)[:, :2]
    start = np.zeros((len(angle), n_rows, 3))
    start[..., 0], start[..., 1], start[..., 2] = side * axis[:, 0], axis[:, 1], rows
    way = np.stack([np.sin(angle), np.cos(angle), 0 * angle], -1)[:, None] + 0 * start
    return Sheet(horse, start, way, thick, colour, closed=True)


def legwear(horse, worn, colours):
    """Bandages, boots over the tendons or bells over the hooves, on the legs LH, LF, RH, RF that `which` names."""
    out, colour, trim = [], np.array(colours["legs"]), np.array(colours["trim"])
    for on, (side, hind) in zip(worn["which"], ((1, True), (1, False), (-1, True), (-1, False))):
        if not on:
            continue
        low, high = (.20, .55) if hind else (.19, .45)
        if worn["kind"] == "bells":
            out.append(leg_sleeve(horse, side, hind, .035, .135, np.linspace(.016, .008, 6), colour, 6))
        elif worn["kind"] == "boots":
            rows = np.linspace(0, 1, 9)
            bulge = .010 + .007 * np.sin(np.pi * rows) ** .5
            out.append(leg_sleeve(horse, side, hind, low, high, bulge, np.where(np.abs(rows[:, None] - .5) < .3, colour, .35 * colour + .65 * trim)))
        else:
            rows = np.linspace(0, 1, 15)
            out.append(leg_sleeve(horse, side, hind, low + .02, high - .02, .010 + .002 * np.sin(rows * 40), colour * (1 - .2 * (np.sin(rows * 40) < -.3))[:, None], 15))
    return out


def head_ring(horse, along, under, width, colour, arc=np.pi):
    """A band around the head: `along` (m from the poll) in front, `under` below; an `arc` short of pi leaves it open."""
    angle = np.linspace(-arc, arc, 26)[:-1] if arc >= np.pi else np.linspace(-arc, arc, 25)
    share = (1 - np.cos(angle)) / 2
    return head_band(horse, angle, along * (1 - share) + under * share, width, colour, closed=arc >= np.pi)


def throat_latch(horse, width, colour):
    """From below the ears down the cheeks and under the jaw."""
    angle = np.linspace(1.6, 2 * np.pi - 1.6, 25)
    share = 1 - np.abs(angle - np.pi) / (np.pi - 1.6)
    return head_band(horse, angle, -.01 * (1 - share) + .26 * share, width, colour)


def head_band(horse, angle, along, width, colour, closed=False, offset=.006):
    """A band on the head through `angle` (n,) rad from the forehead around, at `along` (n,) m from the poll."""
    at = along[:, None] + np.array([-.5, .5]) * width
    middle = shape._profile(shape.HEAD, at.ravel())
    out_of = (.5 * (middle[:, 0] + middle[:, 1])).reshape(at.shape)
    start = np.stack([shape.on_head(t, o) for t, o in zip(at.ravel(), out_of.ravel())]).reshape(*at.shape, 3)
    way = np.cos(angle)[:, None] * np.array([0, *shape.HEAD_AXIS[2]]) + np.sin(angle)[:, None] * np.array([1., 0, 0])
    return Sheet(horse, start, way[:, None] + 0 * start, offset, colour, closed)


def crown(horse, width, colour):
    """Behind the ears, from one cheek to the other."""
    angle = np.linspace(-1.7, 1.7, 15)
    along, out_of = (np.array([0, *axis]) for axis in shape.HEAD_AXIS[1:])
    up = unit(.72 * out_of - .69 * along)
    start = shape.on_head(-.010, -.030) + np.zeros((15, 2, 3)) + (np.array([-.5, .5]) * width)[:, None] * unit(.72 * along + .69 * out_of)
    return Sheet(horse, start, (np.cos(angle)[:, None] * up + np.sin(angle)[:, None] * np.array([1., 0, 0]))[:, None] + 0 * start, .008, colour)


def cheek(horse, side, path, width, colour):
    """A strap down the side of the head along `path` [(along, out), ...]."""
    path = np.array(path, float)
    t = np.linspace(0, len(path) - 1, 14)
    line = np.stack([np.interp(t, np.arange(len(path)), path[:, k]) for k in (0, 1)], 1)
    across = unit(slope(line)) @ np.array([[0, 1.], [-1, 0]])
    at = line[:, None] + np.array([-.5, .5])[:, None] * width * across[:, None]
    start = np.stack([shape.on_head(*p) for p in at.reshape(-1, 2)]).reshape(14, 2, 3)
    return Sheet(horse, start, np.array([side, 0, 0.]), .006, colour)


def ring(horse, side, centre, radius, colour):
    """A metal ring lying on the cheek."""
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    at = np.array(centre) + np.array([radius - .007, radius])[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)[:, None]
    start = np.stack([shape.on_head(*p) for p in at.reshape(-1, 2)]).reshape(12, 2, 3)
    return Sheet(horse, start, np.array([side, 0, 0.]), .010, colour, closed=True)


BIT, NOSE = (.560, -.030), .365


def headgear(horse, kind, colours):
    """The straps of a halter or a bridle."""
    colour, wide = np.array(colours["halter" if kind == "halter" else "leather"]), .026 if kind == "halter" else .019
    out = [crown(horse, wide, colour), head_ring(horse, NOSE, NOSE + .01, wide * 1.15, colour), throat_latch(horse, wide * .8, colour)]
    for side in (1, -1):
        if kind == "halter":
            out += [cheek(horse, side, [(-.01, -.04), (.20, -.055), (NOSE, -.03)], wide, colour), ring(horse, side, (NOSE, -.03), .026, METAL)]
        else:
            out += [cheek(horse, side, [(-.01, -.03), (.20, -.015), BIT], wide, colour), ring(horse, side, BIT, .036, METAL)]
    return out if kind == "halter" else out + [head_ring(horse, .070, .03, wide, colour, arc=1.75)]


def fly_mask(horse, colour):
    """A mesh over the eyes and the front of the head."""
    angle, rows = np.linspace(-2.1, 2.1, 21), np.linspace(.055, .36, 12)
    middle = shape._profile(shape.HEAD, rows)
    start = np.stack([shape.on_head(t, o) for t, o in zip(rows, .5 * (middle[:, 0] + middle[:, 1]))])[None] + np.zeros((21, 1, 1))
    way = np.cos(angle)[:, None] * np.array([0, *shape.HEAD_AXIS[2]]) + np.sin(angle)[:, None] * np.array([1., 0, 0])
    return Sheet(horse, start, way[:, None] + 0 * start, .012 + .022 * np.exp(-((rows - .17) / .06) ** 2), colour)


class Tube:
    """A grid around a line that is drawn anew for every frame: `line(frame) -> (K,3)`, `radii` (K,) or (K,2) across `wide` and across both."""

    def __init__(self, line, radii, colour, wide=(1., 0, 0), around=10):
        radii = np.asarray(radii, float)
        self.line, self.radii, self.wide = line, radii if radii.ndim == 2 else np.stack([radii, radii], 1), wide
        angle = np.arange(around) * 2 * np.pi / around
        self.circle = np.stack([np.cos(angle), np.sin(angle)], 1)
        self.shape = (around, len(self.radii))
        self.colour = np.broadcast_to(colour, self.shape + (3,)).reshape(-1, 3)

    def placed(self, frame):
        centres = self.line(frame)
        along = unit(slope(centres))
        wide = self.wide(frame) if callable(self.wide) else np.asarray(self.wide)
        deep = unit(cross(along, wide))
        wide = cross(deep, along)
        return centres + self.circle[:, :1, None] * (self.radii[:, :1] * wide) + self.circle[:, 1:, None] * (self.radii[:, 1:] * deep)

    def faces(self):
        return shape.sheet_faces(*self.shape, closed=True)


def curve(knots, n):
    """(n,3) on a smooth line through the knots (K,3) (Catmull-Rom)."""
    knots = np.asarray(knots)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    at = np.linspace(0, len(knots) - 1, n)
    i = np.minimum(at.astype(int), len(knots) - 2)
    u = (at - i)[:, None]
    a, b, c, d = (padded[i + k] for k in range(4))
    return .5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u ** 2 + (3 * b - a - 3 * c + d) * u ** 3)


def limb(start, end, upper, lower, bend):
    """(3,) the joint between two bones of these lengths, on the side of `bend`."""
    way = end - start
    far = np.clip(np.linalg.norm(way), abs(upper - lower) + .01, .995 * (upper + lower))
    way = unit(way)
    along = (far ** 2 + upper ** 2 - lower ** 2) / (2 * far)
    side = unit(bend - (bend @ way) * way)
    return start + along * way + np.sqrt(max(upper ** 2 - along ** 2, 0)) * side


def within(centre, point, reach):
    """(3,) the point, or how far towards it one comes."""
    way = point - centre
    return centre + way * min(1., reach / max(np.linalg.norm(way), 1e-9))


class Flesh:
    """The skin of trunk and neck, which nobody may enter."""

    def __init__(self, horse):
        at = horse["vertices"]
        near = (horse["part"] == BODY) & (at[:, 1] > -1.28) & (at[:, 1] < .75) & (at[:, 2] > .72)
        self.index = np.flatnonzero(near)
        inside = near[horse["triangles"]].all(1)
        self.triangles = np.searchsorted(self.index, horse["triangles"][inside])

    def see(self, vertices):
        self.at = vertices[self.index].astype(np.float32)
        a, b, c = self.at[self.triangles[:, 0]], self.at[self.triangles[:, 1]], self.at[self.triangles[:, 2]]
        face = cross(b - a, c - a)
        corner, n = self.triangles.T.ravel(), len(self.at)
        self.out = unit(np.stack([np.bincount(corner, np.tile(face[:, k], 3), n) for k in range(3)], 1)).astype(np.float32)
        self.squared = (self.at ** 2).sum(1)

    def pushed(self, centres, radii):
        """(K,3) the way out for balls at `centres` (K,3) of `radii` (K,) m."""
        centres = centres.astype(np.float32)
        nearest = (self.squared - 2 * centres @ self.at.T).argmin(1)
        deep = radii - ((centres - self.at[nearest]) * self.out[nearest]).sum(1)
        return np.maximum(deep, 0)[:, None] * self.out[nearest]


def widest(push):
    """(3,) the longest of these ways."""
    return push[np.linalg.norm(push, axis=1).argmax()]


HAIRY = ((np.sin(np.arange(12) * np.pi / 6)[:, None] > .3) & (np.arange(8) > 1) | (np.arange(8) > 5))[..., None]  # of the head's points: the back and the top


class Figure:
    """Somebody: tubes around the joints that `see` finds for every frame."""

    LEG = np.array([.092, .088, .080, .070, .062, .058, .056, .055, .052, .047, .043, .044])  # m, from hip to ankle
    TORSO = np.array([-.085, -.02, .065, .075, .20, .32, .42, .465, .492, .545])  # m from the hips up the spine
    HEAD = np.linspace(-.05, .215, 8)[:, None]  # m above the top of the spine

    def __init__(self, look):
        self.look, self.size, self.joints = look, look["size"], {"side": np.array([1., 0, 0])}

    @staticmethod
    def leg(hip, knee, ankle):
        """(12,3) along a leg."""
        return curve(np.stack([hip, .5 * (hip + knee), knee, .5 * (knee + ankle), ankle]), 12)

    @staticmethod
    def arm(shoulder, elbow, hand):
        """(10,3) along an arm, from a little above the shoulder."""
        return curve(np.stack([shoulder + .03 * unit(shoulder - elbow), .5 * (shoulder + elbow), elbow, .5 * (elbow + hand), hand + .03 * unit(hand - elbow)]), 10)

    def foot(self, ankle, ahead, up):
        """(6,3) from heel to toe."""
        heel = ankle - self.size * (.045 * ahead + .045 * up)
        return heel + self.size * np.linspace(-.03, .23, 6)[:, None] * unit(ahead + .10 * up)

    def tubes(self):
        """The body, dressed."""
        s, c, j = self.size, {k: np.array(v) for k, v in self.look["colours"].items()}, self.joints
        side = lambda _: j["side"]
        torso = s * np.array([[.02, .02], [.165, .115], [.155, .112], [.16, .115], [.138, .098], [.165, .115], [.182, .10], [.140, .078], [.066, .056], [.048, .050]])
        skull = s * np.array([[.048, .052], [.052, .070], [.068, .092], [.077, .100], [.080, .104], [.077, .100], [.056, .074], [.01, .01]])
        out = [Tube(lambda _: j["torso"], torso, np.stack([c["trousers"]] * 3 + [c["jacket"]] * 6 + [c["face"]]), side),
               Tube(lambda _: j["head"], skull, np.where(HAIRY, c["hair"], c["face"]), side, 12)]
        long = self.look.get("seat") in ("western", "bareback", None)
        legs, ends = np.stack([c["trousers"]] * (11 if long else 6) + [c["boots"]] * (1 if long else 6)), np.ones(12)
        ends[0] = .55
        sleeve = np.stack([c["sleeves"]] * 8 + [c["boots"] if self.look.get("hat") == "helmet" else c["face"]] * 2)
        for k in (1, -1):
            out += [Tube(lambda _, k=k: j["leg", k], s * self.LEG * ends, legs, side), Tube(lambda _, k=k: j["foot", k], s * np.array([.012, .036, .038, .042, .040, .012]), c["boots"], side, 8),
                    Tube(lambda _, k=k: j["arm", k], s * np.array([.006, .048, .054, .050, .046, .044, .040, .033, .040, .020]), sleeve, side, 8)]
        return out + self.headwear(c["hat"], side)

    def headwear(self, colour, side):
        rows = {"helmet": [(.080, .085), (.106, .116), (.118, .150), (.108, .122), (.102, .116), (.070, .08), (.005, .005)],
                "cap": [(.070, .08), (.08, .10), (.10, .15), (.083, .103), (.08, .10), (.05, .06), (.005, .005)],
                "hat": [(.06, .06), (.19, .21), (.195, .215), (.085, .105), (.078, .098), (.070, .09), (.005, .005)]}.get(self.look.get("hat"))
        if rows is None:
            return []
        high = {"helmet": [.140, .145, .16, .18, .225, .272, .290], "cap": [.170, .175, .18, .19, .23, .262, .275], "hat": [.175, .185, .19, .20, .25, .29, .296]}[self.look["hat"]]
        return [Tube(lambda _: self.joints["head"][0] + self.size * np.array(high)[:, None] * self.joints["up"], self.size * np.array(rows), colour, side, 14)]


class Rider(Figure):
    """Somebody on the horse's back."""

    def __init__(self, tack, look):
        super().__init__(look)
        self.tack, self.seat = tack, SEATS[look["seat"]]
        self.gap = .032 if tack.look["saddle"] else .012
        self.fit()

    def fit(self):
        """The legs, in the saddle's axes, around this horse's barrel at rest: bones keep their lengths, flesh stays outside."""
        s, seat = self.size, self.seat
        self.hips = np.array([0, seat["back"], seat["lift"] + .095 * s])
        self.legs = {}
        for side in (1, -1):
            hip = self.hips + np.array([side * .085 * s, 0, 0])
            knee = hip + .43 * s * unit(np.array(seat["thigh"]) * (side, 1, 1))
            ankle = knee + .42 * s * unit(np.array(seat["shin"]) * (side, 1, 1))
            for _ in range(10):
                push = self.tack.flesh.pushed(self.tack.from_saddle(self.leg(hip, knee, ankle)), self.girth()) @ self.tack.turn
                knee = hip + .43 * s * unit(knee + widest(push[2:8]) - hip)
                ankle = knee + .42 * s * unit(ankle + widest(push[7:]) - knee)
            self.legs[side] = self.leg(hip, knee, ankle)

    def girth(self):
        """(12,) m how near the middle of the leg may come to the skin: thighs are pressed flat, and there is leather between."""
        return self.LEG * self.size * np.linspace(.7, 1, 12) + self.gap

    def see(self):
        """The joints of this frame, in the world."""
        turn, j = self.tack.turn, self.joints
        j["side"] = turn[:, 0]
        self.see_torso(j)
        for side in (1, -1):
            self.see_leg(j, side)
        for side in (1, -1):
            shoulder = j["torso"][6] + side * self.size * .155 * turn[:, 0]
            hand = within(shoulder, self.hand(side), .545 * self.size)
            elbow = limb(shoulder, hand, .29 * self.size, .27 * self.size, turn @ np.array([side * .5, .6, -.7]))
            arm = self.arm(shoulder, elbow, hand)
            j["arm", side] = arm + self.tack.flesh.pushed(arm, np.full(len(arm), .055 * self.size))

    def see_torso(self, j):
        """Back and head: leaning forward where the horse goes up, and out of the way of its neck."""
        s, turn, seat = self.size, self.tack.turn, self.seat
        pitch = np.arcsin(np.clip(-turn[2, 1], -1, 1))
        lean = np.clip(seat["lean"] + self.look["lean"] + np.clip(.8 * pitch, -.5, .7), -.4, 1.3)
        torso = self.hips + s * self.TORSO[:, None] * np.array([0, -np.sin(lean), np.cos(lean)])
        torso[:, 1] += s * np.array([0, 0, .01, .01, .035, .03, .01, 0, 0, 0]) * (1 if lean > .2 else -.4)  # a round or a hollow back
        torso = self.tack.from_saddle(torso)
        fat = s * np.array([.12, .12, .13, .14, .12, .10, .09, .08])
        push = widest(self.tack.flesh.pushed(torso[2:], fat))
        torso[2:] += np.linspace(.3, 1, 8)[:, None] * push
        up = unit(unit(torso[-1] - torso[-4]) + .9 * UP)
        j["torso"], j["up"], j["head"] = torso, up, torso[-1] + s * self.HEAD * up

    def see_leg(self, j, side):
        """A leg on the flank, wherever the skin is now."""
        s, turn, flesh = self.size, self.tack.turn, self.tack.flesh
        leg = self.tack.from_saddle(self.legs[side])
        push = flesh.pushed(leg, self.girth())
        leg += np.stack([np.convolve(np.pad(push[:, k], 2, "edge"), [.15, .2, .3, .2, .15], "valid") for k in range(3)], 1)
        leg[1:] += flesh.pushed(leg[1:], self.girth()[1:])
        leg[:, 2] = np.maximum(leg[:, 2], .05)  # where the horse lies
        foot = self.foot(leg[-1], unit(-turn[:, 1] + .12 * side * turn[:, 0]), turn[:, 2])
        j["leg", side], j["foot", side] = leg, foot + widest(flesh.pushed(foot, np.full(6, .045 * s + .01)))

    def hand(self, side):
        """Where the hand is: at the reins, or resting on the thigh."""
        s = self.size
        if self.look["seat"] == "western" and side < 0:
            return self.joints["leg", side][3] + .11 * s * self.tack.turn[:, 2]
        x, y, z = self.seat["hand"]
        hand = self.tack.from_saddle(np.array([side * x, y * (.5 + .5 * s), z * s]))
        return hand + self.tack.flesh.pushed(hand[None], np.array([.06]))[0]


class Handler(Figure):
    """Somebody on foot at the horse's left shoulder, walking as it goes."""

    def __init__(self, tack, look):
        super().__init__(look)
        self.tack = tack
        index = tack.skeleton["names"].index
        self.withers, self.croup = index("spine.005"), index("spine.001")

    def see(self, matrices):
        """The joints of this frame, in the world; the ground is z = 0."""
        s, j = self.size, self.joints
        withers, croup = matrices[self.withers, :3, 3], matrices[self.croup, :3, 3]
        ahead = unit((withers - croup) * (1, 1, 0))
        side = cross(ahead, UP)
        step = np.sin(2 * np.pi * (withers @ ahead) / (1.5 * s))
        hips = withers * (1, 1, 0) + ahead * .45 * self.tack.size - side * (.80 + .1 * self.tack.size) + UP * .90 * s
        j["side"], j["up"] = side, UP
        j["torso"] = hips + s * self.TORSO[:, None] * unit(UP + .04 * ahead)
        j["head"] = j["torso"][-1] + s * self.HEAD * UP
        for k in (1, -1):
            hip = hips + k * .085 * s * side
            ankle = hip * (1, 1, 0) + .22 * s * k * step * ahead + UP * s * (.08 + .10 * max(0, -k * np.cos(np.arcsin(step)) * step))
            knee = limb(hip, ankle, .43 * s, .42 * s, ahead)
            j["leg", k], j["foot", k] = self.leg(hip, knee, ankle), self.foot(ankle, ahead, UP)
            shoulder = j["torso"][6] + k * s * .155 * side
            hand = shoulder + s * (ahead * (.30 if k > 0 else -.15 * step) + side * k * .08 - UP * (.28 if k > 0 else .50))
            j["arm", k] = self.arm(shoulder, limb(shoulder, hand, .29 * s, .27 * s, -ahead - .3 * UP), hand)


def mesh_object(name, pieces, points):
    """A Blender object of pieces whose points (N,3) come one after the other, coloured by its attribute `coat` as the horse is."""
    starts = np.cumsum([0] + [len(piece.colour) for piece in pieces])
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.tolist(), [], np.concatenate([piece.faces() + start for piece, start in zip(pieces, starts)]).tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    colours = np.ones((len(points), 4), np.float32)
    colours[:, :3] = np.concatenate([piece.colour for piece in pieces])
    mesh.attributes.new("coat", "FLOAT_COLOR", "POINT").data.foreach_set("color", colours.ravel())
    mesh.materials.append(stage.material("tack", rough=.6, attribute="coat"))
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


class Tack:
    """What one horse wears, as Blender objects that are posed with it: `Tack`, and `Rider` for whoever rides or leads it (other things than a horse, for a mask).

    `horse` as of `load_horse`, `rest` (V,3) m this horse's rest vertices, `skeleton` its own, `look_of_tack` as of `draw_tack` (None: nothing).
    """

    def __init__(self, horse, rest, skeleton, look_of_tack):
        self.horse, self.rest, self.skeleton, self.objects, self.pieces, self.people, self.rider, self.handler = horse, rest, skeleton, [], [], [], None, None
        if not look_of_tack:
            return
        self.look = NOTHING | look_of_tack
        self.size = rest[horse["part"] == BODY, 2].max() / horse["vertices"][horse["part"] == BODY, 2].max()
        self.wear()
        if self.look["rider"]:
            self.mount()
        if self.look["handler"]:
            self.handler = Handler(self, self.look["handler"])
            self.handler.see(skeleton["matrix_local"])
            self.people += self.handler.tubes()
        self.add_ropes()
        if self.pieces or self.people:
            self.build()

    def wear(self):
        """What lies on the skin."""
        horse, look, colours = self.horse, self.look, self.look["colours"]
        if look["cover"]:
            self.pieces.append(rug(horse, look["cover"], colours))
        if look["surcingle"]:
            self.pieces.append(girth(horse, -.31, .10, colours["trim"], whole=True, offset=.034 if look["cover"] else .012))
        if look["pad"]:
            self.pieces.append(pad(horse, look["pad"], colours))
        if look["saddle"]:
            self.pieces += [saddle(horse, look["saddle"], colours["leather"], self.size), girth(horse, -.335, .07, colours["leather"] if look["saddle"] != "western" else colours["trim"])]
        if look["breast"]:
            self.pieces.append(breast_strap(horse, colours["leather"]))
        if look["legs"]:
            self.pieces += legwear(horse, look["legs"], colours)
        if look["headgear"]:
            self.pieces += headgear(horse, look["headgear"], colours)
        if look["mask"]:
            self.pieces.append(fly_mask(horse, colours["trim"]))

    def mount(self):
        """The rider at rest."""
        self.seat_at = tied(self.horse, np.array([[0, SEAT_Y, AXIS_Z]]), UP[None])
        weights = np.bincount(self.horse["bones"][self.seat_at[0]].ravel(), self.horse["weights"][self.seat_at[0]].ravel(), len(self.skeleton["names"]))
        self.under = int(weights.argmax())
        self.above = {None: .0, "racing": .032, "western": .056}.get(self.look["saddle"], .046) * self.size
        self.flesh = Flesh(self.horse)
        self.sit(self.rest, self.skeleton["matrix_local"])
        self.rider = Rider(self, self.look["rider"])
        self.rider.see()
        self.people += self.rider.tubes()

    def sit(self, vertices, matrices):
        """Where the saddle is: turned with the bone under it, on the skin over it."""
        self.turn = matrices[self.under, :3, :3] @ self.skeleton["matrix_local"][self.under, :3, :3].T
        corners, shares = self.seat_at
        self.place = shares[0] @ vertices[corners[0]] + self.above * self.turn[:, 2]
        self.flesh.see(vertices)

    def from_saddle(self, points):
        return points @ self.turn.T + self.place

    def add_ropes(self):
        """Reins, stirrups, the horn, a lead rope."""
        look, colours = self.look, self.look["colours"]
        leather = np.array(colours["leather"])
        if look["headgear"] == "bridle":
            for side in (1, -1):
                self.pieces.append(Tube(self.rein(side), np.full((20, 2), (.006, .011)) * self.size ** .5, leather, (0, .3, 1.), 5))
        if look["saddle"]:
            for side in (1, -1):
                self.pieces += self.stirrup(side, leather)
        if look["saddle"] == "western":
            horn = Anchors(self.horse, [[0, -.40, AXIS_Z]], UP, 0)
            high = np.array([.06, .12, .155, .168, .178, .180])[:, None] * self.size
            self.pieces.append(Tube(lambda v: horn.placed(v) + high * horn.out(v), self.size * np.array([.035, .020, .018, .036, .034, .004]), leather))
        if look["rope"]:
            (self.people if self.handler else self.pieces).append(Tube(self.lead(), np.full(24, .010), np.array(colours["rope"]), (.3, .2, 1.), 6))

    def rein(self, side):
        """From the bit to the hand, along the neck where that is in the way; without a rider, over the neck."""
        bit = Anchors(self.horse, [shape.on_head(*BIT)], np.array([side, 0, 0.]), .014)
        if not self.rider:
            neck = Anchors(self.horse, [on_neck(.55, -.02), on_neck(.30, .06)], np.array([side, 0, 0.]), .016)
            crest = Anchors(self.horse, [on_neck(.16, 0)], np.array([0, *shape.NECK_AXIS[2]]), .03)
            return lambda v: curve(np.concatenate([bit.placed(v), neck.placed(v), crest.placed(v)]), 20)
        slack = .10 if self.look["rider"]["seat"] in ("western", "bareback") else .012

        def line(v):
            hand = self.rider.joints["arm", 1 if self.look["rider"]["seat"] == "western" else side][-1]
            t = np.linspace(0, 1, 20)[:, None]
            points = bit.placed(v) * (1 - t) + hand * t - 4 * slack * t * (1 - t) * UP
            push = np.pad(self.flesh.pushed(points[7:-1], np.full(12, .014)), ((7, 1), (0, 0)))  # the first third is beside the head
            points += np.stack([np.convolve(np.pad(push[:, k], 2), [.1, .2, .4, .2, .1], "valid") for k in range(3)], 1)
            points[7:-1] += self.flesh.pushed(points[7:-1], np.full(12, .010))
            return points
        return line

    def stirrup(self, side, leather):
        """Leather and iron: at the rider's foot, or hanging on the flap."""
        down = .55 if self.look["saddle"] == "racing" else 1.0
        angle = np.array([.50, 1.0, 1.35, 1.62]) * np.array([1, down, down, down])
        start = np.array([[0, y, AXIS_Z] for y in (-.32, -.33, -.335, -.34)])
        hung = Anchors(self.horse, start, np.stack([side * np.sin(angle), 0 * angle, np.cos(angle)], 1), np.array([.030, .034, .036, .040]))
        around = np.linspace(0, 2 * np.pi, 15)[:, None]

        def foot(v):
            if self.rider:
                feet = self.rider.joints["foot", side]
                return feet[3], feet[4] - feet[2]
            return hung.placed(v)[3] - np.array([0, 0, .05]), cross(hung.out(v)[3], UP) + hung.out(v)[3]

        def strap(v):
            top = hung.placed(v)
            middle, way = foot(v)
            end = middle + .085 * unit(UP - (UP @ unit(way)) * unit(way))
            if not self.rider:
                return curve(np.concatenate([top, end[None]]), 14)
            t = np.linspace(0, 1, 14)[:, None]
            points = top[0] * (1 - t) + end * t
            return points + self.flesh.pushed(points, np.full(14, .030))

        def iron(v):
            middle, way = foot(v)
            up = unit(UP - (UP @ unit(way)) * unit(way))
            return middle + .012 * up + .062 * (np.cos(around) * up + np.sin(around) * cross(unit(way), up))
        western = self.look["saddle"] == "western"
        return [Tube(strap, np.full((14, 2), (.022 if western else .012, .004)), leather, (0, 1., 0), 5),
                Tube(iron, np.full(15, .014 if western else .007), leather if western else METAL, (.2, 1., .1), 5)]

    def lead(self):
        """From the chin to the hand of whoever leads, or thrown over the neck."""
        chin = Anchors(self.horse, [shape.on_head(NOSE, -.05)], -np.array([0, *shape.HEAD_AXIS[2]]), .015)
        if not self.handler:
            neck = Anchors(self.horse, [on_neck(.62, -.10), on_neck(.35, .02)], np.array([1., 0, 0]), .02)
            crest = Anchors(self.horse, [on_neck(.24, 0)], np.array([0, *shape.NECK_AXIS[2]]), .03)
            far = Anchors(self.horse, [on_neck(.28, .02), on_neck(.30, -.10)], np.array([-1., 0, 0]), .02)
            return lambda v: curve(np.concatenate([chin.placed(v), neck.placed(v), crest.placed(v), far.placed(v)]), 24)
        t = np.linspace(0, 1, 24)[:, None]

        def line(v):
            start, end = chin.placed(v), self.handler.joints["arm", 1][-1]
            spare = max(.25, .9 - np.linalg.norm(end - start))
            points = start * (1 - t) + end * t - 2.2 * spare * t * (1 - t) * UP
            return np.maximum(points, (-np.inf, -np.inf, .012))
        return line

    def build(self):
        """A mesh of what is worn, another one of people."""
        points = self.posed(self.rest, self.skeleton["matrix_local"])
        for name, pieces in (("Tack", self.pieces), ("Rider", self.people)):
            n = sum(len(piece.colour) for piece in pieces)
            if n:
                self.objects.append(mesh_object(name, pieces, points[:n]))
            points = points[n:]

    def posed(self, vertices, matrices):
        """(N,3) m: all points of the tack on the horse posed so."""
        if self.rider:
            self.sit(vertices, matrices)
            self.rider.see()
        if self.handler:
            self.handler.see(matrices)
        return np.concatenate([piece.placed(vertices).reshape(-1, 3) for piece in self.pieces + self.people])

    def pose(self, vertices, matrices):
        """Moves the objects to the horse's posed skin (V,3) m and its bones' world matrices (B,4,4); returns their points (N,3), one after the other, or None where it wears nothing."""
        if not self.objects:
            return None
        points = self.posed(vertices, matrices).astype(np.float32)
        start = 0
        for made in self.objects:
            n = len(made.data.vertices)
            made.data.vertices.foreach_set("co", points[start:start + n].ravel())
            made.data.update()
            start += n
        return points

    def remove(self):
        """Takes the object and its data out of Blender."""
        for made in self.objects:
            mesh = made.data
            paints = list(mesh.materials)
            bpy.data.objects.remove(made, do_unlink=True)
            bpy.data.meshes.remove(mesh)
            for paint in paints:
                bpy.data.materials.remove(paint)
        self.objects, self.pieces, self.people, self.rider, self.handler = [], [], [], None, None
