# SPDX-License-Identifier: GPL-3.0-or-later
"""Coats: a linear colour for each vertex, from where it is on the standard horse and from the horse's look.

A look names its coat, a pattern, white markings and the hair; the seed in it draws the rest: the shade, where the patches and spots lie, how high the black
of the legs reaches. Every part draws from a stream of its own, so that another blaze does not move the dapples.
"""
import numpy as np

from . import shape
from .horse import BODY, EYES, MANE, TAIL

# The words of a look, which the library draws among (horses.py has the same lists; a test compares them).
COATS = {  # linear RGB of the trunk
    "bay": (.17, .058, .022), "dark_bay": (.065, .026, .013), "brown": (.042, .020, .012), "black": (.012, .011, .011), "chestnut": (.25, .080, .026),
    "sorrel": (.36, .135, .045), "liver_chestnut": (.10, .032, .015), "grey": (.42, .42, .42), "steel_grey": (.10, .10, .108), "white": (.74, .72, .68),
    "palomino": (.52, .30, .095), "buckskin": (.42, .26, .11), "dun": (.36, .23, .115), "grullo": (.16, .14, .125), "cremello": (.72, .60, .43)}
PATTERNS = ("dapple", "roan", "fleabitten", "tobiano", "overo", "leopard", "blanket", "sooty")  # or None
FACES = ("star", "snip", "stripe", "blaze", "bald")  # or None; markings["face"]. markings["legs"]: LH, LF, RH, RF, 0 none, .1 coronet, .3 sock, .6 stocking, 1 above knee or hock
HAIR = ("natural", "black", "flaxen", "white", "mixed")  # of mane and tail; natural = as the coat has it
DIRT = ("mud", "dust", "sweat")  # or None

BLACK, WHITE, PINK = np.array([.013, .011, .010]), np.array([.70, .68, .64]), np.array([.52, .27, .22])
SKIN, HORN, PALE_HORN, FLAXEN = np.array([.028, .024, .024]), np.array([.030, .026, .023]), np.array([.34, .26, .18]), np.array([.58, .42, .22])
POINTS = {"bay", "dark_bay", "brown", "buckskin", "dun", "grullo"}  # black legs, mane, tail and rims of the ears
GREYS, PALE = {"grey", "steel_grey", "white"}, {"white", "cremello"}
N_WAVES = 10


def coat_colours(horse, look):
    """(V,3) linear colours of the horse's vertices.

    `look`: seed, coat (of COATS), pattern (of PATTERNS), markings {face (of FACES), legs (LH, LF, RH, RF: 0..1)}, hair (of HAIR), dirt (of DIRT), kind; what is
    missing is a plain bay's. Raises ValueError for words that are not in the lists.
    """
    coat, pattern, face = word(look, "coat", COATS, "bay"), word(look, "pattern", PATTERNS), word(look.get("markings") or {}, "face", FACES)
    hair, dirt = word(look, "hair", HAIR, "natural"), word(look, "dirt", DIRT)
    at, part = horse["vertices"], horse["part"]
    skin = Skin(at, normals(at, horse["triangles"]), part == BODY)
    draw = lambda k: np.random.default_rng([int(look.get("seed", 0)), k])
    base = np.array(COATS[coat]) * np.exp(draw(0).normal(0, .30 if coat == "grey" else .16)) * draw(1).normal(1, .035 if coat not in GREYS else .012, 3)
    colours = trunk(skin, base, coat, draw(2))
    colours = points(skin, colours, coat, draw(3), foal=look.get("kind") == "foal")
    colours = mottled(skin, colours, base, coat, pattern, draw(4))
    white, spots = white_pattern(skin, pattern, draw(5))
    legs = white_legs(skin, (look.get("markings") or {}).get("legs") or (0, 0, 0, 0), draw(6))
    blaze = white_face(skin, "bald" if pattern == "overo" else face, draw(7))
    colours = mix(colours, WHITE * draw(8).uniform(.85, 1.1), np.maximum(np.maximum(white * (1 - spots), legs), blaze))
    pale = np.maximum(np.maximum(white, legs), 1.0 * (coat == "cremello"))
    colours = np.where((part == BODY)[:, None], hooves(skin, colours, pale, striped=pattern in ("leopard", "blanket"), rng=draw(9)), colours)
    colours = naked_skin(skin, colours, np.maximum(blaze, 1.0 * (coat == "cremello")), coat, pattern, draw(10))
    colours = grown(horse, colours, hair_colour(base, coat, hair, draw(11)), white * (1 - spots), hair == "mixed" or pattern == "roan", draw(12))
    colours = dirty(skin, colours, dirt, draw(13)) * shade(skin)[:, None]
    colours[part == EYES] = (.10, .14, .19) if coat == "cremello" or (face == "bald" and draw(14).random() < .25) else (.006, .004, .003)
    return np.clip(colours, .003, .92)


def word(look, key, words, default=None):
    """The look's word for `key`, or the default."""
    found = look.get(key) or default
    if found is not None and found not in words:
        raise ValueError(f"Expected the look's {key} to be one of {', '.join(words)}, but got {found!r}. Spell it as coat.py does.")
    return found


class Skin:
    """The vertices in the coordinates that coats are told in: place (V,3) on the standard horse, the way out (V,3), and the head's own axes."""

    def __init__(self, at, out, body):
        self.at, self.normal, self.body = at, out, body
        self.x, self.y, self.z = at.T
        self.along, self.out, self.side = shape.head_coordinates(at)
        self.head = soft(-1.22 - self.y - .35 * (1.62 - self.z), .12)  # 1 in front of the cheeks
        self.hind = self.y > .2
        self.leg = soft(.86 + .12 * self.hind - self.z, .24) * (self.head < .5)  # 1 below elbow and stifle
        self.top = soft(self.z - np.interp(self.y, *TOPLINE) + .10, .12) * (self.head < .5)  # 1 along back and crest


TOPLINE = np.array([(-1.40, 1.92), (-1.20, 1.86), (-1.00, 1.78), (-.80, 1.71), (-.56, 1.645), (-.33, 1.584), (-.05, 1.55), (.25, 1.592), (.5, 1.612), (.7, 1.592), (.9, 1.50), (1.0, 1.43)]).T


def normals(at, triangles):
    """(V,3) unit: out of the skin."""
    a, b, c = at[triangles.T]
    face = np.cross(b - a, c - a)
    out = np.stack([sum(np.bincount(triangles[:, k], face[:, axis], len(at)) for k in range(3)) for axis in range(3)], 1)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def soft(distance, width):
    """0 to 1 where `distance` goes from -width/2 to width/2, without a kink at either end."""
    t = np.clip(np.asarray(distance) / width + .5, 0, 1)
    return t * t * (3 - 2 * t)


def mix(colours, other, share):
    share = np.asarray(share)
    return colours + (other - colours) * (share[:, None] if share.ndim == 1 else share)


def lumps(at, rng, frequency):
    """(V,) smooth noise of about unit size: waves in random directions, `frequency` (one or one an axis) in radians a metre."""
    direction, phase = rng.normal(size=(N_WAVES, 3)) * frequency, rng.uniform(0, 6.3, N_WAVES)
    waves = at.astype(np.float32) @ direction.T.astype(np.float32) + phase.astype(np.float32)
    return np.sin(waves, out=waves) @ np.full(N_WAVES, np.sqrt(2 / N_WAVES), np.float32)


def scattered(skin, rng, gap):
    """(m,3) points of the skin that keep `gap` m from each other: one a cell of a grid, less those that come too near to one drawn before."""
    points = skin.at[skin.body]
    points = points[rng.permutation(len(points))]
    points = points[np.unique(np.floor(points / (.8 * gap) + rng.random(3)), axis=0, return_index=True)[1]]
    points = points[rng.permutation(len(points))]
    squared = (points ** 2).sum(1)
    near = squared[:, None] - 2 * points @ points.T + squared < gap ** 2
    before, alive, kept = np.tril(near, -1), np.ones(len(points), bool), np.zeros(len(points), bool)
    for _ in range(4):  # who has nobody before him stays, and his neighbours go
        first = alive & ~(before & alive).any(1)
        kept |= first
        alive &= ~near[:, first].any(1)
    return points[kept]


def nearest(skin, at, centres):
    """(V,) m to the nearest of the centres (far for what is not body) and (V,) which one."""
    away, which = np.full(len(at), 9.), np.zeros(len(at), int)
    at = at[skin.body]
    squared = ((centres ** 2).sum(1) - 2 * at @ centres.T).astype(np.float32)
    which[skin.body] = squared.argmin(1)
    away[skin.body] = np.sqrt(np.maximum(squared.min(1) + (at ** 2).sum(1), 0))
    return away, which


def trunk(skin, base, coat, rng):
    """The coat's own colour: uneven, paler on belly and flank and inside of the legs, darker along the back."""
    uneven = 1 + .07 * lumps(skin.at, rng, 4) + .035 * lumps(skin.at, rng, 15)
    below = soft(1.02 - skin.z, .5) * (1 - skin.leg) * (1 - skin.head) * soft(-skin.normal[:, 2], 1.2)
    flank = np.exp(-((skin.y - .38) / .16) ** 2 - ((skin.z - 1.02) / .14) ** 2)
    countershading = 1 + rng.uniform(.15, .5) * below + rng.uniform(.1, .35) * flank - rng.uniform(.05, .30) * skin.top
    colours = base * (uneven * countershading)[:, None]
    if coat in ("bay", "buckskin", "sorrel", "chestnut", "dun", "palomino"):  # redder below, browner above
        colours = colours * np.array([1, .92, .85]) ** (1 - 2 * soft(skin.z - 1.25, .5))[:, None]
    if coat not in PALE | GREYS and rng.random() < .3:  # mealy
        colours = mix(colours, colours * .4 + np.array([.30, .20, .12]) * .6, rng.uniform(.4, .9) * np.maximum(np.maximum(.8 * below, .6 * flank), soft(skin.along - .47, .12) * skin.head))
    return colours


def points(skin, colours, coat, rng, foal=False):
    """Legs, ears and muzzle of another colour, the dun's stripes."""
    knee = np.where(skin.hind, rng.uniform(.58, .78), rng.uniform(.48, .66)) + .035 * lumps(skin.at, rng, 9)
    lower, tips = soft(knee - skin.z, .22), soft(skin.z - 1.965, .10) * skin.head
    muzzle = soft(skin.along - .50, .14) * skin.head
    if coat in POINTS:
        dark = BLACK * (1.4 if coat in ("buckskin", "dun", "grullo") else 1)
        if foal:
            lower = .35 * lower  # they are born with pale legs
        colours = mix(colours, dark, np.maximum(lower, .85 * tips) * .96)
        colours = mix(colours, dark, muzzle * rng.uniform(.3, .85))
    elif coat in GREYS - {"white"}:
        young = rng.random() if coat == "grey" else 1
        colours = mix(colours, colours * (.55 - .35 * young) + .006, soft(knee + .1 - skin.z, .45) * (.3 + .6 * young))
        colours = mix(colours, np.array(COATS["grey"]), skin.head * .5 * rng.random())
    elif coat in ("palomino", "sorrel", "chestnut", "liver_chestnut"):
        colours = colours * (1 + lower * rng.uniform(-.25, .5))[:, None]
    if coat == "brown":
        colours = mix(colours, np.array([.14, .062, .026]), .7 * np.maximum(muzzle, np.exp(-((skin.y - .45) / .14) ** 2 - ((skin.z - 1.0) / .10) ** 2)))
    if coat in ("dun", "grullo"):
        colours = dun_stripes(skin, colours, rng)
    return colours


def dun_stripes(skin, colours, rng):
    """The stripe along the back, bars on the legs, a shadow over the shoulder, a dark mask."""
    back = soft(.030 - np.abs(skin.x), .030) * (skin.z > np.interp(skin.y, *TOPLINE) - .06) * (skin.y > -.75) * (skin.head < .5)
    shoulder = np.exp(-((skin.y + .53) / .035) ** 2) * soft(skin.z - 1.38, .3) * rng.uniform(0, .6)
    bars = soft(np.sin(skin.z * rng.uniform(70, 95) + 3 * skin.y) - .35, .8) * np.exp(-((skin.z - .66) / .12) ** 2) * rng.uniform(.1, .6)
    return mix(colours, BLACK * 2, np.clip(np.maximum(np.maximum(.9 * back, shoulder), np.maximum(bars, skin.head * .35)), 0, 1))


def mottled(skin, colours, base, coat, pattern, rng):
    """Dapples, roan, flea bites, soot: patterns that leave the coat's own colour everywhere."""
    body = (1 - .8 * skin.head) * soft(skin.z - .78, .35)
    if pattern == "dapple":
        centres = scattered(skin, rng, .075)
        away, which = nearest(skin, skin.at, centres)
        net = soft(away / rng.uniform(.9, 1.2, len(centres))[which] - .036, .040)
        strength = rng.uniform(.45, .8) if coat in GREYS else rng.uniform(.15, .35)
        where = body * soft(skin.y + 1.0, .7) * np.clip(.75 + .35 * lumps(skin.at, rng, 3), .2, 1)
        return colours * (1 + strength * where * (.45 - net))[:, None]
    if pattern == "roan":
        share = rng.uniform(.35, .62) * body * np.clip(1 + .18 * lumps(skin.at, rng, 5) + .14 * rng.standard_normal(len(body)), .3, 1.5)
        return mix(colours, WHITE * .85, np.clip(share, 0, .85))
    if pattern == "fleabitten":
        bite = (rng.random(len(body)) < rng.uniform(.10, .25)) * rng.uniform(.2, .7, len(body)) * (1 - .4 * skin.leg)
        return mix(np.maximum(colours, .6 * WHITE), np.array([.16, .075, .045]), bite)
    if pattern == "sooty":
        soot = np.clip(soft(skin.z - 1.28 + .05 * lumps(skin.at, rng, 5), .5) + .35 * skin.head, 0, 1) * rng.uniform(.5, .85)
        return mix(colours, BLACK * 1.5, soot * np.clip(1 + .10 * lumps(skin.at, rng, 30), 0, 1.1))
    return colours


def white_pattern(skin, pattern, rng):
    """(V,) how white the pattern makes each vertex, and (V,) the dark spots that it leaves."""
    none = np.zeros(len(skin.at))
    edge = .05 * lumps(skin.at, rng, 28)
    if pattern == "tobiano":  # over the back and down, rounded; legs white; head, breast and flank dark
        field = lumps(skin.at, rng, np.array([1.6, 3.4, 1.5])) + rng.uniform(-.2, .6) + .12 * lumps(skin.at, rng, 11) + edge
        field = field + 3 * soft(.74 - skin.z + .05 * lumps(skin.at, rng, 6), .4) - 1.1 * np.exp(-((skin.y + .70) / .16) ** 2 - ((skin.z - 1.1) / .22) ** 2)
        return soft(field - 4 * soft(-1.12 - skin.y, .3), .16), none
    if pattern == "overo":  # on the sides, ragged; never over the back; legs dark
        field = lumps(skin.at, rng, np.array([1., 3.6, 3.0])) + .45 * lumps(skin.at, rng, 12) + 2 * edge + rng.uniform(-.5, .3)
        belly = np.exp(-((skin.z - rng.uniform(1.0, 1.25)) / .26) ** 2)
        return soft(field + 1.7 * belly - 1.2 - 3 * skin.top - 3 * skin.leg - 3 * skin.head, .22), none
    if pattern in ("leopard", "blanket"):
        size = np.array([.020, .034]) * rng.uniform(.9, 1.5)
        centres = scattered(skin, rng, 2.2 * size[1])
        radius = rng.uniform(*size, len(centres)) * np.where(centres[:, 2] < .7, .7, 1) * np.where(centres[:, 1] < -1.2, .6, 1)
        stretched = skin.at + .006 * np.stack([lumps(skin.at, rng, 40) for _ in range(3)], 1)
        away, which = nearest(skin, stretched, centres)
        spots = soft(radius[which] - away, .016) * (rng.random(len(centres)) < .85)[which]
        if pattern == "leopard":
            return np.clip(.97 - .75 * soft(.42 - skin.z + .05 * lumps(skin.at, rng, 14), .25) * rng.random(), 0, 1), spots
        front = rng.uniform(-.35, .45)
        field = skin.y - front + .35 * (skin.z - 1.35) + .07 * lumps(skin.at, rng, 8) + .05 * lumps(skin.at, rng, 26)
        flecks = .06 * rng.standard_normal(len(spots))
        return soft(field + flecks, .14) * soft(skin.z - rng.uniform(.85, 1.2) + .05 * lumps(skin.at, rng, 8), .2), spots * (rng.random() < .75)
    return none, none


def white_legs(skin, heights, rng):
    """(V,) white from the hoof up: `heights` LH, LF, RH, RF; dark spots at the coronet on some."""
    out = np.zeros(len(skin.at))
    for height, own, (side, hind) in zip(heights, rng.spawn(4), ((1, True), (1, False), (-1, True), (-1, False))):
        if height <= 0:
            continue
        ragged, spotted = .022 * lumps(skin.at, own, 22) + .02 * lumps(skin.at, own, 7), own.random() < .3
        reach = .09 + float(height) * (.62 if hind else .53) + own.uniform(-.06, .06) * np.sign(skin.normal[:, 1]) * float(height)
        leg = (skin.x * side > 0) & (skin.hind == hind) & (skin.head < .5)
        ermine = spotted * soft(lumps(skin.at, own, 60) - .9, .3) * (skin.z < .16)
        out = np.maximum(out, leg * soft(reach + ragged * min(1, 3 * height) - skin.z, .035) * (1 - .9 * ermine))
    return out


def white_face(skin, face, rng):
    """(V,) white on forehead, nose and muzzle."""
    if face is None:
        return np.zeros(len(skin.at))
    along, side = skin.along, np.abs(skin.side + rng.normal(0, .006) + .006 * lumps(skin.at, rng, 14))
    front = skin.head * soft(skin.out - .012, .025)
    ragged = .007 * lumps(skin.at, rng, 35)
    star = soft(rng.uniform(.024, .040) - np.hypot(side, .75 * (along - rng.uniform(.10, .15))) + ragged, .014) * front
    snip = soft(rng.uniform(.018, .035) - np.hypot(side, .6 * (along - .575)) + ragged, .014) * skin.head * (skin.out > -.01)
    if face == "star":
        return star
    if face == "snip":
        return snip
    width = {"stripe": rng.uniform(.010, .016), "blaze": rng.uniform(.024, .036), "bald": rng.uniform(.055, .072)}[face]
    start, stop = rng.uniform(.06, .11), {"stripe": rng.uniform(.40, .60), "blaze": rng.uniform(.52, .66), "bald": .70}[face]
    line = soft(width * (1 + .18 * lumps(skin.at, rng, 9)) + ragged - side, .014) * soft(along - start + ragged, .03) * soft(stop - along, .04)
    if face == "bald":  # over the nose, the lips and the chin
        return np.maximum(line * skin.head * soft(skin.out + .005, .04), skin.head * soft(along - rng.uniform(.40, .50) + 2 * ragged, .06))
    return np.maximum(line * front, star) if face == "blaze" or rng.random() < .6 else line * front


def hooves(skin, colours, pale, striped, rng):
    """Dark horn, pale below white legs, striped on spotted horses, ringed a little."""
    hoof = soft(.092 - skin.z - .12 * (skin.y - np.where(skin.hind, .63, -.565)), .016)
    light = np.zeros(len(skin.at))
    for side in (1, -1):  # a hoof has one colour: that of the skin above it
        for hind in (True, False):
            leg = (skin.x * side > 0) & (skin.hind == hind)
            above = leg & (skin.z > .10) & (skin.z < .17)
            light[leg] = pale[above].mean() > .5 if above.any() else 0
    if striped:
        angle = np.arctan2(skin.x - .18 * np.sign(skin.x), skin.y - np.where(skin.hind, .62, -.57))
        light = soft(np.sin(angle * 9 + rng.uniform(0, 6)), .6)
    horn = mix(np.tile(HORN * rng.uniform(.6, 2.2), (len(skin.at), 1)), PALE_HORN * rng.uniform(.7, 1.2), light)
    return mix(colours, horn * (1 + .10 * np.sin(skin.z * 160))[:, None], hoof)


def naked_skin(skin, colours, pink, coat, pattern, rng):
    """Muzzle, nostrils, mouth, the eyes' rims, the insides of ears and thighs."""
    muzzle = skin.head * soft(skin.along - .555 - .03 * lumps(skin.at, rng, 12), .07)
    rim = np.sqrt((skin.along - shape.EYES[0]) ** 2 + (skin.out - shape.EYES[1]) ** 2 + (np.abs(skin.side) - shape.EYES[2] - .008) ** 2)
    nostril = np.sqrt((.8 * (skin.along - shape.NOSTRIL[0])) ** 2 + (skin.out - shape.NOSTRIL[1]) ** 2 + (np.abs(skin.side) - shape.NOSTRIL[2]) ** 2)
    bare = np.maximum(muzzle * rng.uniform(.45, .85), .8 * skin.head * soft(.040 - rim, .02))
    flesh = mix(np.tile(SKIN * rng.uniform(.8, 2.), (len(bare), 1)), PINK, np.clip(pink, 0, 1))
    if pattern in ("leopard", "blanket"):
        flesh = mix(flesh, PINK, soft(lumps(skin.at, rng, 45), 1.))
    colours = mix(colours, flesh, bare)
    colours = mix(colours, colours * .25, skin.head * soft(.034 - rim, .014))
    colours = mix(colours, colours * .12, skin.head * soft(.022 - nostril, .012))
    mouth = skin.head * (skin.along > .56) * soft(.008 - np.abs(skin.out - shape.MOUTH), .008)
    colours = mix(colours, colours * .4, mouth)
    inside = skin.head * (skin.z > 1.87) * soft(-skin.normal[:, 1] - .25, .5) * (np.abs(skin.x) > .05)
    colours = mix(colours, colours * .5, inside)
    if coat in GREYS - {"white"} or pattern == "roan":  # dark skin shows where the hair is thin
        groin = soft(.16 - np.abs(skin.x), .1) * soft(1.05 - skin.z, .2) * soft(skin.z - .72, .15) * skin.hind
        colours = mix(colours, SKIN, .5 * groin)
    return colours


def hair_colour(base, coat, hair, rng):
    """(3,) of mane and tail."""
    if hair == "black":
        return BLACK * rng.uniform(1, 1.8)
    if hair == "flaxen":
        return FLAXEN * rng.uniform(.7, 1.1)
    if hair == "white":
        return WHITE * rng.uniform(.8, 1)
    if coat in POINTS | {"black", "steel_grey"}:
        return BLACK * rng.uniform(1, 2)
    if coat == "palomino" or coat in PALE:
        return WHITE * rng.uniform(.8, 1.05)
    if coat == "grey":
        return mix(BLACK * 4, WHITE, rng.random())
    return base * rng.uniform(.55, 1.15)


def grown(horse, colours, hair, white, mixed, rng):
    """Mane and tail strand by strand; a strand that grows from white skin is white."""
    for kind in (TAIL, MANE):
        mine = np.flatnonzero(horse["part"] == kind)
        _, first, strand = np.unique(horse["strand"][mine], return_index=True, return_inverse=True)
        tone = np.exp(rng.normal(0, .28, len(first)))[:, None] * hair
        if mixed:
            tone = mix(tone, WHITE * .8, rng.random(len(first)) * .8)
        tone = mix(tone, WHITE * .9, np.round(white[horse["under"][mine[first]]]))
        fade = np.exp(rng.normal(0, .10, len(mine)))[:, None]
        colours[mine] = tone[strand] * fade
    return colours


def dirty(skin, colours, dirt, rng):
    """Mud from below, dust where they rolled, sweat under the tack."""
    if dirt == "mud":
        earth, reach = np.array([.10, .070, .042]) * rng.uniform(.5, 1.6), rng.uniform(.15, .8)
        splash = np.clip(soft(reach - skin.z + .10 * lumps(skin.at, rng, 14), .35) + .5 * (rng.random(len(skin.at)) < .04) * (skin.z < reach + .5), 0, 1)
        return mix(colours, earth, splash * rng.uniform(.5, .95))
    if dirt == "dust":
        earth = np.array([.33, .26, .18]) * rng.uniform(.6, 1.4)
        return mix(colours, earth, np.clip(.25 + .35 * lumps(skin.at, rng, 6) + .15 * lumps(skin.at, rng, 20), 0, .8) * rng.uniform(.3, .8) * (1 - .5 * skin.head))
    if dirt == "sweat":
        wet = np.exp(-((skin.y + .9) / .3) ** 2 - ((skin.z - 1.4) / .25) ** 2) + np.exp(-((skin.y + .38) / .15) ** 2) + np.exp(-((skin.y - .5) / .15) ** 2 - ((skin.z - 1.) / .2) ** 2)
        return colours * (1 - rng.uniform(.25, .55) * np.clip(wet * (1 + .3 * lumps(skin.at, rng, 12)), 0, 1) * (skin.z > .8))[:, None]
    return colours


def shade(skin):
    """(V,) the little light that reaches the places between legs and under the jaw, which one bounce of light leaves too bright."""
    between = soft(.17 - np.abs(skin.x), .12) * soft(1.0 - skin.z, .2) * soft(skin.z - .55, .3) * (np.abs(skin.y - .1) > .4) * soft(-np.sign(skin.x) * skin.normal[:, 0] + .2, .8)
    elbow = np.exp(-((skin.y + .42) / .05) ** 2 - ((skin.z - .90) / .07) ** 2)
    under = skin.head * soft(-skin.out - .08, .06) * soft(-skin.normal[:, 2] - .3, .6)
    dock = np.exp(-((skin.y - .95) / .05) ** 2 - ((skin.z - 1.30) / .10) ** 2 - (skin.x / .05) ** 2)
    return 1 - np.clip(.40 * between + .25 * elbow + .3 * under + .45 * dock, 0, .6)
