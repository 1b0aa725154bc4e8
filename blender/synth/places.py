# SPDX-License-Identifier: GPL-3.0-or-later
"""Where horses are: meadows, paddocks, arenas, yards, tracks, halls; what the ground is like and what stands about.

Everything is drawn from one generator, as numbers first (`draw`), then as one heap of triangles (`furnish`). Nothing solid stands where a horse goes, in front of a lens, or between the
two, but for rails, twigs and grass, which are there to hide some of the horse, as they do in life.
"""
import numpy as np

from . import solids

KINDS = dict(meadow=.25, paddock=.22, arena=.15, yard=.11, track=.05, snow=.05, beach=.03, hall=.07, anything=.07)
# a ground: its two colours (linear), the field that mixes them, that of its detail, how strong the detail is
GROUNDS = dict(
    grass=((.055, .105, .022), (.13, .145, .045), "patches", "fine", .9), dry=((.24, .19, .08), (.12, .13, .045), "patches", "streaks", .9), sand=((.42, .34, .24), (.33, .26, .18), "patches", "hoofs", .6),
    earth=((.11, .075, .045), (.19, .14, .09), "patches", "clods", .9), gravel=((.26, .25, .23), (.2, .19, .175), "clouds", "grit", 1.1), tarmac=((.075, .075, .08), (.11, .11, .11), "clouds", "grit", .5),
    snow=((.78, .8, .84), (.62, .65, .72), "clouds", "clods", .25), straw=((.46, .36, .15), (.28, .2, .09), "patches", "straw", 1.1), dust=((.36, .3, .22), (.28, .23, .17), "clouds", "fine", .5))
LIES = dict(meadow=dict(grass=.75, dry=.25), paddock=dict(grass=.5, dry=.2, earth=.3), arena=dict(sand=.75, dust=.15, earth=.1), yard=dict(gravel=.35, tarmac=.4, earth=.15, straw=.1),
            track=dict(sand=.4, grass=.4, earth=.2), snow=dict(snow=1.), beach=dict(sand=1.), hall=dict(sand=.6, straw=.2, dust=.2), anything={g: 1 / len(GROUNDS) for g in GROUNDS})
WOOD, CREAM, LEAF, BARK, IRON = (np.array(c) for c in ((.17, .11, .06), (.72, .70, .66), (.045, .085, .022), (.09, .065, .045), (.05, .05, .055)))


def draw(rng, plain=False):
    """What a place is, as JSON can hold it: kind, ground, sky, where the sun stands and how strong it is."""
    kind = "studio" if plain else str(rng.choice(list(KINDS), p=list(KINDS.values())))
    lies = LIES.get(kind, dict(dust=1.))
    ground = str(rng.choice(list(lies), p=list(lies.values())))
    sky = "hall" if kind in ("hall", "studio") else str(rng.choice(["clear", "hazy", "broken", "overcast", "evening"], p=[.28, .2, .22, .2, .1]))
    sunny = dict(clear=1., hazy=.7, broken=.6, overcast=.12, evening=1., hall=.15)[sky] > rng.random()
    high = rng.uniform(4, 20) if sky == "evening" else rng.uniform(15, 70)
    return dict(kind=kind, ground=ground, sky=sky, sun=dict(strength=round(rng.uniform(1.5, 5) if sunny else 0., 2), height_deg=round(high, 1), azimuth_deg=round(rng.uniform(0, 360), 1),
                                                           angle=round(float(rng.choice([.01, .05, .3]) if sky != "hazy" else rng.uniform(.2, .6)), 3)), tinted=bool(kind == "anything"))


def ground_look(rng, place):
    """Colours and fields of the ground: {a, b (3,), mask, detail: names, amount, scales (2,) 1/m}."""
    a, b, mask, detail, amount = GROUNDS[place["ground"]]
    light, tint = rng.uniform(.6, 1.4), rng.normal(1, .05, 3) if not place["tinted"] else rng.uniform(.55, 1.45, 3)
    if place["kind"] == "studio":
        a = b = np.full(3, rng.choice([rng.uniform(.5, .9), rng.uniform(.02, .5)])) * (rng.uniform(.4, 1.3, 3) if rng.random() < .5 else 1)
        light, amount = 1, 0
    return dict(a=np.clip(np.array(a) * light * tint, .004, .92), b=np.clip(np.array(b) * light * tint * rng.uniform(.8, 1.2), .004, .92), mask=mask, detail=detail, amount=amount * rng.uniform(.5, 1.2),
                scales=(1 / rng.uniform(15, 60), 1 / rng.uniform(4, 6)))


class Site:
    """Where things may stand: (n,2) m `eyes` look at `root` and at what else goes about at `paths` (m,2)."""

    def __init__(self, eyes, root, paths):
        self.eyes, self.root = np.asarray(eyes, float)[:, :2], np.asarray(root, float)[:2]
        self.paths = np.concatenate([self.root[None], np.asarray(paths, float).reshape(-1, 2)])
        away = self.root - self.eyes[0]
        self.away = away / max(np.linalg.norm(away), 1e-6)
        self.side, self.yaw = np.array([-self.away[1], self.away[0]]), np.arctan2(self.away[1], self.away[0]) - np.pi / 2

    def seen_from(self, rng):
        """The way (2,) from one of the lenses to the horse, and how far it is (m)."""
        away = self.root - self.eyes[rng.integers(len(self.eyes))]
        reach = np.linalg.norm(away)
        return away / max(reach, 1e-6), reach

    def off_horses(self, at, radius):
        """Whether it is clear of where the horses are."""
        return np.linalg.norm(self.paths - at, axis=1).min() > radius + 1.6

    def off_lenses(self, at, radius):
        return np.linalg.norm(self.eyes - at, axis=1).min() > radius + 1.

    def free(self, at, radius):
        """Whether something solid may stand there: clear of horses, of lenses, and of the ways from these to those."""
        if not (self.off_horses(at, radius) and self.off_lenses(at, radius)):
            return False
        for goal in (self.paths[0], self.paths[len(self.paths) // 2], self.paths[-1]):
            way = goal - self.eyes
            t = np.clip(((at - self.eyes) * way).sum(1) / np.maximum((way ** 2).sum(1), 1e-9), 0, 1)
            if np.linalg.norm(self.eyes + t[:, None] * way - at, axis=1).min() < radius + 1.5:
                return False
        return True

    def beyond(self, direction):
        """m from `root` along a direction (2,) that clears every lens and horse."""
        return max(0., ((np.concatenate([self.eyes, self.paths]) - self.root) @ direction).max())


def furnish(heap, board, rng, place, site):
    """Puts what belongs to a place into `heap`; what has a pattern (walls, boards) into `board`. Names what there is."""
    there, kind = [], place["kind"]
    if kind == "studio":
        return there
    for name, make, share in (("walls", walls, dict(hall=1., yard=.6, anything=.4, paddock=.06, arena=.12).get(kind, .04)), ("fence", fence, dict(paddock=.95, arena=.45, track=.8, meadow=.3, beach=.05, hall=0.).get(kind, .25)),
                              ("boards", boards, dict(arena=.7, hall=.5).get(kind, .02)), ("jumps", jumps, dict(arena=.4, hall=.25, meadow=.06).get(kind, .03)), ("trees", trees, dict(hall=0., beach=.1, yard=.4, arena=.5).get(kind, .7)),
                              ("hedge", hedge, dict(hall=0., beach=0.).get(kind, .25)), ("houses", houses, dict(yard=.6, hall=0., beach=.1).get(kind, .2)), ("things", things, dict(beach=.2, snow=.3).get(kind, .55)),
                              ("grass", grass, dict(meadow=.55, paddock=.4, track=.2, anything=.2).get(kind, 0.)), ("rail in front", rail_in_front, dict(hall=.05).get(kind, .13)), ("twigs in front", twigs_in_front, dict(hall=0., arena=.02).get(kind, .09))):
        if rng.random() < share and make(heap, board, rng, place, site) is not False:
            there.append(name)
    return there


def paint_of(rng, base=None):
    """A colour that things have: of their material, or any that paint comes in."""
    if base is not None and rng.random() < .7:
        return base * rng.uniform(.5, 1.6) * rng.normal(1, .05, 3)
    return rng.uniform(.03, .75) * (rng.normal(1, .12, 3) if rng.random() < .5 else rng.uniform(.15, 1.4, 3))


def walls(heap, board, rng, place, site):
    """One wall behind the horse, or, in a hall, all four; wide enough for every lens."""
    hall = place["kind"] == "hall"
    colour, high = np.full(3, rng.uniform(.2, .95)) * rng.normal(1, .06, 3), rng.uniform(2.2, 4.5) if not hall else rng.uniform(4, 7)
    for k in range(4 if hall else 1):
        yaw = site.yaw + k * np.pi / 2 + (0 if hall else rng.normal(0, .15))
        out = np.array([-np.sin(yaw), np.cos(yaw)])
        reach = site.beyond(out)
        if reach > 45:
            return False
        at = site.root + out * (reach + (rng.uniform(4, 15) if hall or reach > 3 else rng.uniform(1.8, 8)))
        board.add(solids.box([*at, high / 2], [60, .06, high / 2], yaw), colour)
        if rng.random() < .5:
            heap.add(solids.box([*(at - .08 * out), rng.uniform(.3, .8)], [60, .03, rng.uniform(.1, .5)], yaw), paint_of(rng, CREAM * .5))
        for _ in range(int(rng.integers(0, 5))):  # doors, windows, hatches
            x = rng.uniform(-18, 18)
            heap.add(solids.box([*(at - .1 * out + x * np.array([np.cos(yaw), np.sin(yaw)])), rng.uniform(1, high * .6)], [rng.uniform(.4, 1.4), .03, rng.uniform(.4, 1.1)], yaw), paint_of(rng, CREAM * .4))


FENCES = dict(post_and_rail=.4, white=.2, wire=.2, mesh=.08, tubes=.12)


def panels(rng, style):
    """What a fence is made of: (rails: heights m, half thickness m), post spacing m, post half width m, height m, colours."""
    high = rng.uniform(1.05, 1.5)
    n = dict(post_and_rail=int(rng.integers(2, 5)), white=int(rng.integers(2, 4)), wire=int(rng.integers(2, 6)), mesh=9, tubes=5)[style]
    thick = dict(post_and_rail=(.022, .055), white=(.02, .06), wire=(.004, .004), mesh=(.004, .004), tubes=(.02, .02))[style]
    colour = dict(post_and_rail=WOOD * rng.uniform(.4, 2) * rng.normal(1, .05, 3), white=CREAM * rng.uniform(.8, 1.2), wire=IRON * 3, mesh=IRON * 3, tubes=paint_of(rng, IRON * 2))[style]
    return dict(rails=np.linspace(.25 if n > 3 else .5, high - .08, n), thick=thick, gap=rng.uniform(2, 3.6), post=.012 if style == "tubes" else rng.uniform(.03, .075), high=high, colour=colour, post_colour=WOOD * rng.uniform(.5, 1.8) if style in ("wire", "mesh") else colour)


def fence_line(heap, site, rng, a, b, made, near=1.2):
    """Panel by panel from a to b (2,); those too near to a lens or where a horse goes are left out."""
    n = max(1, int(np.linalg.norm(b - a) / made["gap"]))
    yaw = np.arctan2(*(b - a)[::-1])
    for p, q in zip(a + np.linspace(0, 1, n + 1)[:-1, None] * (b - a), a + np.linspace(0, 1, n + 1)[1:, None] * (b - a)):
        middle, half = (p + q) / 2, np.linalg.norm(q - p) / 2
        if np.linalg.norm(site.eyes - middle, axis=1).min() < half + near or np.linalg.norm(site.paths - middle, axis=1).min() < half + .6:
            continue
        for z in made["rails"]:
            heap.add(solids.box([*middle, z + rng.normal(0, .01)], [half, *made["thick"]], yaw), made["colour"] * rng.uniform(.85, 1.15))
        heap.add(solids.box([*p, made["high"] / 2], [made["post"], made["post"], made["high"] / 2], yaw), made["post_colour"] * rng.uniform(.8, 1.2))


def fence(heap, board, rng, place, site):
    """Around a paddock, or along one side of it."""
    made = panels(rng, str(rng.choice(list(FENCES), p=list(FENCES.values()))))
    yaw = site.yaw + rng.normal(0, .3)
    along, out = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    far, long = rng.uniform(2.2, 14), rng.uniform(14, 34)
    corners = [site.root + out * far - along * long, site.root + out * far + along * long]
    if rng.random() < .55:
        near = rng.uniform(2.5, 18)
        corners += [site.root - out * near + along * long, site.root - out * near - along * long, corners[0]]
    for a, b in zip(corners, corners[1:]):
        fence_line(heap, site, rng, a, b, made)


def rail_in_front(heap, board, rng, place, site):
    """A fence between one of the lenses and the horse."""
    away, reach = site.seen_from(rng)
    if reach < 4.5:
        return False
    at, yaw = site.root - away * rng.uniform(2.2, min(reach - 2, 6)), np.arctan2(away[1], away[0]) - np.pi / 2 + rng.normal(0, .25)
    along = np.array([np.cos(yaw), np.sin(yaw)]) * 12
    made = panels(rng, str(rng.choice(["post_and_rail", "white", "wire", "tubes"], p=[.4, .2, .25, .15])))
    fence_line(heap, site, rng, at - along, at + along, made, near=1.6)


def boards(heap, board, rng, place, site):
    """The low boards of a dressage arena, with their letters."""
    half, yaw = np.array([rng.uniform(9, 11), rng.uniform(18, 31)]), site.yaw + rng.choice([0, np.pi / 2]) + rng.normal(0, .1)
    turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    middle = site.root + rng.uniform(-.6, .6, 2) * half @ turn
    corners, colour, high = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * half @ turn + middle, CREAM * rng.uniform(.7, 1.2), rng.uniform(.12, .25)
    for a, b in zip(corners, corners[1:]):
        n = int(np.linalg.norm(b - a) / 3)
        for t in (np.arange(n) + .5) / n:
            at = a + t * (b - a)
            if not site.off_lenses(at, 1.5) or not site.off_horses(at, .2):
                continue
            heap.add(solids.box([*at, high], [1.45, .03, high], np.arctan2(*(b - a)[::-1])), colour)
            if rng.random() < .25 and site.free(at + .3 * (at - middle) / np.linalg.norm(at - middle), .3):
                board.add(solids.box([*(at + .3 * (at - middle) / np.linalg.norm(at - middle)), .45], [.25, .1, .45], np.arctan2(*(b - a)[::-1])), CREAM)


def spots(rng, site, n, near, far, radius):
    """Up to n free places (2,) between `near` and `far` m from the horse, more of them where the first lens looks."""
    for _ in range(3 * n):
        if n == 0:
            return
        at = site.root + (site.away * rng.uniform(near, far) + site.side * rng.normal(0, .45 * far) if rng.random() < .7 else rng.uniform(near, far) * np.array([np.cos(a := rng.uniform(0, 6.28)), np.sin(a)]))
        if site.free(at, radius):
            n -= 1
            yield at


def jumps(heap, board, rng, place, site):
    """Two stands with poles between them."""
    for x, y in spots(rng, site, int(rng.integers(1, 5)), 4, 20, 2):
        yaw, high, n = rng.uniform(0, np.pi), rng.uniform(.4, 1.2), int(rng.integers(1, 5))
        across = 1.7 * np.array([np.cos(yaw), np.sin(yaw)])
        for s in (-1, 1):
            heap.add(solids.box([x + s * across[0], y + s * across[1], .7], [.05, .3, .7], yaw), paint_of(rng, CREAM))
        for k in range(n):
            z, bands = high * (k + 1) / n, np.linspace(-1, 1, 6)
            colours = CREAM, paint_of(rng) if rng.random() < .5 else np.array([.5, .03, .03])
            for i, (a, b) in enumerate(zip(bands, bands[1:])):
                heap.add(solids.rod([x + a * across[0], y + a * across[1], z], [x + b * across[0], y + b * across[1], z], .05), colours[i % 2])


def trees(heap, board, rng, place, site):
    """Trees of a kind or two, near or far."""
    kinds = [(rng.uniform(3, 12), LEAF * rng.uniform(.5, 2) * (rng.normal(1, .12, 3) if rng.random() < .85 else np.array([4, 1.6, .6]) * rng.uniform(.7, 1.3, 3)), rng.random() < .25) for _ in range(2)]
    for at in spots(rng, site, int(rng.integers(1, 11)), 5, 45, 1.5):
        tree(heap, rng, at, *kinds[int(rng.integers(2))])


def tree(heap, rng, at, high, leaf, conifer):
    high, bark = high * rng.uniform(.7, 1.3), BARK * rng.uniform(.5, 2)
    foot, crown = np.array([*at, 0.]), np.array([*at, high * .62])
    heap.add(solids.rod(foot, foot + [0, 0, .7 * high], .022 * high + .05, .012 * high), bark)
    wide, n = high * rng.uniform(.22, .38), int(rng.integers(3, 6))
    for k in range(n):
        if conifer:
            z, r = .18 * high + .8 * high * k / n, .2 * high * (1 - .85 * k / n)
            middle, radii = np.array([*at, z + .08 * high]), np.array([r, r, .16 * high])
        else:
            middle, radii = crown + rng.normal(0, .45, 3) * [wide, wide, .5 * wide], wide * rng.uniform(.5, .8, 3)
        bush(heap, rng, middle, radii, leaf * rng.uniform(.75, 1.25), 170, .09 * high ** .5 + .05)


def bush(heap, rng, middle, radii, colour, n, size):
    """A dark core in a cloud of leaves, lighter towards the top."""
    heap.add(solids.ball(middle, np.asarray(radii) * .58), colour * .95, smooth=True)
    solid = solids.leaves(rng, middle, radii, n, size)
    up = np.clip((solid[0][:, 2:] - middle[2]) / radii[2], -1, 1)
    heap.add(solid, colour * (1.25 + .5 * up) * np.repeat(rng.uniform(.55, 1.6, (n, 1)), 3, 0))


def hedge(heap, board, rng, place, site):
    """A row of bushes, clipped or wild, behind every lens's horse."""
    yaw = site.yaw + rng.normal(0, .2)
    along, out = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    far = site.beyond(out) + rng.uniform(3, 25)
    high, leaf, wild = rng.uniform(.8, 3), LEAF * rng.uniform(.5, 2) * rng.normal(1, .1, 3), rng.uniform(.05, .5)
    for x in np.arange(-24, 24, 1.6):
        r = high * rng.lognormal(0, wild)
        bush(heap, rng, np.array([*(site.root + out * (far + rng.normal(0, .3)) + along * x), r * .45]), np.array([1.2, 1.0, r * .6]), leaf * rng.uniform(.8, 1.2), 110, .24)


def houses(heap, board, rng, place, site):
    """Barns, stables and houses: walls with a pattern, a gable roof, doors and windows."""
    for at in spots(rng, site, int(rng.integers(1, 4)), 10, 40, 5):
        yaw, half, high = rng.uniform(0, np.pi), np.array([rng.uniform(3, 8), rng.uniform(2, 4)]), rng.uniform(2.2, 5)
        board.add(solids.box([*at, high / 2], [*half, high / 2], yaw), np.full(3, rng.uniform(.2, .95)) * rng.normal(1, .1, 3))
        heap.add(solids.roof([*at, high], [half[0] + .3, half[1] + .4, half[1] * rng.uniform(.4, 1)], yaw), rng.choice([.3, .08, .15]) * np.array([1, .6, .5]) ** rng.uniform(0, 2))
        for _ in range(int(rng.integers(1, 6))):
            x, z = rng.uniform(-.85, .85) * half[0], rng.uniform(.9, high - .8)
            for s in (-1, 1):
                heap.add(solids.box(np.array([*at, z]) + solids.turned(np.array([[x, s * (half[1] + .01), 0]]), yaw)[0], [rng.uniform(.3, .7), .03, rng.uniform(.4, .9)], yaw), paint_of(rng, CREAM * .1))


def things(heap, board, rng, place, site):
    """Somebody looking on, cars, bales, barrels, buckets, boxes, cones, poles."""
    makers = dict(person=.28, car=.14, bale=.14, barrel=.1, box=.14, cone=.08, pole=.12)
    for at in spots(rng, site, int(rng.integers(1, 7)), 2.6, 22, 1):
        thing(heap, board, rng, str(rng.choice(list(makers), p=list(makers.values()))), np.array([*at, 0.]))


def thing(heap, board, rng, kind, at):
    yaw, colour = rng.uniform(0, 2 * np.pi), paint_of(rng)
    place = lambda *p: at + solids.turned(np.array([p], float), yaw)[0]
    if kind == "person":
        person(heap, rng, place, yaw)
    elif kind == "car":
        heap.add(solids.box(place(0, 0, .65), [2.1, .85, .38], yaw), colour), heap.add(solids.box(place(-.2, 0, 1.25), [1.1, .75, .28], yaw), IRON * rng.uniform(.3, 1.5))
        for x in (-1.3, 1.3):
            for y in (-.75, .75):
                heap.add(solids.rod(place(x, y, .32), place(x, y * 1.15, .32), .32, sides=12), IRON * .4)
    elif kind == "bale":
        r = rng.uniform(.5, .75)
        heap.add(solids.rod(place(-.6, 0, r), place(.6, 0, r), r, sides=14) if rng.random() < .6 else solids.box(place(0, 0, .4), [.9, .45, .4], yaw), (np.array([.42, .33, .13]) if rng.random() < .7 else CREAM) * rng.uniform(.6, 1.2))
    elif kind == "barrel":
        heap.add(solids.rod(at, at + [0, 0, .9], .3, sides=12), colour)
    elif kind == "box":
        board.add(solids.box(place(0, 0, .5), rng.uniform(.2, 1.4, 3), yaw), np.clip(colour * 2, 0, .9))
    elif kind == "cone":
        heap.add(solids.rod(at, at + [0, 0, .5], .16, .02), np.array([.7, .12, .02]))
    else:
        heap.add(solids.rod(at, at + [0, 0, rng.uniform(2, 7)], rng.uniform(.04, .14)), paint_of(rng, BARK))


def person(heap, rng, place, yaw):
    """Somebody standing: legs, trunk, arms, head, a cap."""
    h, jacket, trousers, skin = rng.uniform(.85, 1.08), paint_of(rng), paint_of(rng, IRON * 2), np.array([.42, .25, .17]) * rng.uniform(.2, 1.3)
    for s in (-1, 1):
        heap.add(solids.rod(place(.1 * s, rng.normal(0, .06), 0), place(.09 * s, 0, .85 * h), .07, .09), trousers, True)
        heap.add(solids.rod(place(.2 * s, 0, 1.4 * h), place(.27 * s, -rng.uniform(0, .3), rng.uniform(.85, 1.2) * h), .06, .05), jacket, True)
    heap.add(solids.ball(place(0, 0, 1.15 * h), np.array([.2, .13, .36]) * h, yaw), jacket, True)
    heap.add(solids.ball(place(0, 0, 1.63 * h), np.array([.09, .11, .12]) * h, yaw), skin, True)
    heap.add(solids.ball(place(0, .02, 1.68 * h), np.array([.1, .12, .09]) * h, yaw), paint_of(rng, BARK), True)


def grass(heap, board, rng, place, site):
    """Tufts about the horse: mostly short, sometimes high enough to hide its hooves."""
    high, n = (rng.uniform(.04, .13), 2600) if rng.random() < .8 else (rng.uniform(.16, .42), 1800)
    tufts = site.paths[rng.integers(len(site.paths), size=n // 12)] + rng.normal(0, 2.4, (n // 12, 2))
    feet = np.repeat(tufts, 12, 0) + rng.normal(0, .12, (len(tufts) * 12, 2))
    colour = (np.array([.07, .12, .025]) if place["ground"] == "grass" else np.array([.3, .24, .1])) * rng.uniform(.6, 1.5) * rng.normal(1, .06, 3)
    heap.add(solids.blades(rng, feet, high, .02 + .05 * high), colour * np.repeat(rng.uniform(.6, 1.4, (len(feet), 1)), 3, 0))


def twigs_in_front(heap, board, rng, place, site):
    """Bushes that hide a part of the horse from one lens or another."""
    for _ in range(int(rng.integers(1, 5))):
        away, reach = site.seen_from(rng)
        if reach < 5:
            continue
        at = site.root - away * rng.uniform(1.9, min(3.4, reach - 2.5)) + np.array([-away[1], away[0]]) * rng.choice([-1, 1]) * rng.uniform(.3, 1.6)
        if site.off_lenses(at, 1) and np.linalg.norm(site.paths - at, axis=1).min() > 1.4:
            high = rng.uniform(.35, .95)
            bush(heap, rng, np.array([*at, .45 * high]), np.array([rng.uniform(.25, .5), rng.uniform(.25, .5), .6 * high]), LEAF * rng.uniform(.6, 1.8), 150, .09)
