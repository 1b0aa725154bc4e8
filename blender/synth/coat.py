# SPDX-License-Identifier: GPL-3.0-or-later
"""Coats: a linear colour for each vertex, from where it is on the horse at rest."""
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
BLACK, WHITE = np.array([.012, .011, .010]), np.array([.72, .70, .67])
BLACK_POINTS = {"bay", "dark_bay", "brown", "dun", "roan"}


def coat_colours(horse, rng, coat=None):
    """(V,3) linear colours and the coat's name."""
    name = coat or str(rng.choice(list(COATS)))
    at, part = horse["vertices"], horse["part"]
    base = np.array(COATS[name]) * rng.uniform(.6, 1.5) * rng.normal(1, .05, 3)
    colours = np.tile(base, (len(at), 1)) * (1 + .10 * lumps(at, rng, 5))[:, None] * np.exp(.25 * np.clip(1.1 - at[:, 2:], -.5, .3))  # paler below
    colours = mottled(colours, at, rng, strong=name in {"grey", "roan"})
    if name in BLACK_POINTS or (name == "grey" and rng.random() < .6) or rng.random() < .1:
        knee = rng.uniform(.45, .75) + .05 * lumps(at, rng, 9)[:, None]
        colours = mix(colours, BLACK, soft(knee - at[:, 2:], .10))
    colours = markings(colours, at, rng)
    colours = features(colours, at, rng)
    hair = BLACK if name in BLACK_POINTS | {"black"} or rng.random() < .2 else WHITE * .8 if name in {"palomino", "white"} or rng.random() < .1 else base * rng.uniform(.4, 1.6)
    for kind, rows in ((TAIL, shape.TAIL_ROWS), (MANE, shape.ROWS)):
        strands = np.repeat(rng.uniform(.6, 1.5, int((part == kind).sum()) // rows), rows)
        colours[part == kind] = hair * strands[:, None]
    colours[part == EYES] = .004
    if rng.random() < .5:
        tack(colours, at, part == BODY, rng)
    return np.clip(colours, .003, .95), name


def soft(distance, width):
    """0 to 1 where `distance` goes from -width/2 to width/2."""
    return np.clip(distance / width + .5, 0, 1)


def mix(colours, other, share):
    return colours * (1 - share) + other * share


def lumps(at, rng, frequency):
    """(V,) smooth noise of about unit size: waves in random directions."""
    direction = rng.normal(size=(10, 3)) * frequency
    return np.sin(at @ direction.T + rng.uniform(0, 6.3, 10)).sum(1) / np.sqrt(5)


def mottled(colours, at, rng, strong):
    """Dapples on some, patches of a pinto on a few."""
    if strong and rng.random() < .7 or rng.random() < .1:
        spots = np.clip(lumps(at, rng, 22), -1.2, 1.2) * soft(at[:, 2] - .8, .4) * soft(at[:, 1] + .9, .6)
        colours = colours * (1 + rng.uniform(.1, .3) * spots)[:, None]
    if rng.random() < .12:
        colours = mix(colours, WHITE, soft(lumps(at, rng, rng.uniform(2, 3.5)) - rng.uniform(0, .6), .15)[:, None])
    return colours


def markings(colours, at, rng):
    """White socks, a blaze or a star."""
    x, y, z = at.T
    along, out, side = shape.head_coordinates(at)
    for left, hind in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        if rng.random() < .3:
            leg = (np.sign(x) == left) & ((y > 0) == hind)
            colours = mix(colours, WHITE, (leg * soft(rng.uniform(.12, .42) - z, .05))[:, None])
    if rng.random() < .5:
        start, stop, width = rng.uniform(.08, .16), rng.choice([.2, rng.uniform(.3, .62)]), rng.uniform(.012, .045)
        face = (y < -1.3) * (out > .02) * soft(along - start, .03) * soft(stop - along, .03) * soft(width * (1 + .3 * lumps(at, rng, 12)) - np.abs(side), .012)
        colours = mix(colours, WHITE, face[:, None])
    return colours


def features(colours, at, rng):
    """Hooves, muzzle, nostrils, mouth, the rims of the eyes and the insides of the ears."""
    z = at[:, 2]
    along, out, side = shape.head_coordinates(at)
    head = at[:, 1] < -1.3
    colours = mix(colours, rng.choice([.02, .06, .2]) * np.array([1, .9, .8]), soft(.095 - z, .02)[:, None])
    colours = mix(colours, colours * rng.uniform(.25, .9), (head * soft(along - .53, .06))[:, None])
    eye, nostril = (.168, .066, .090), (.556, .030, .058)
    for place, radius, colour in ((eye, .030, .35), (nostril, .020, .1)):
        near = np.sqrt((along - place[0]) ** 2 + (out - place[1]) ** 2 + (np.abs(side) - place[2]) ** 2)
        colours = mix(colours, colours * colour, (head * soft(radius - near, .012))[:, None])
    mouth = head * (along > .56) * soft(.008 - np.abs(out + .038), .008)
    return mix(colours, colours * .4, mouth[:, None])


def tack(colours, at, body, rng):
    """A halter or bridle (straps around nose and cheek), sometimes bandages, painted on the skin."""
    along, out, side = shape.head_coordinates(at)
    head = body & (at[:, 1] < -1.28)
    leather = rng.uniform(.01, .5, 3) if rng.random() < .4 else np.array([.02, .012, .008])
    nose, width = rng.uniform(.33, .42), rng.uniform(.010, .015)
    below = np.abs(out + .035 - .2 * (along - .2)) + 9. * ((along < -.02) | (along > nose) | (np.abs(side) < .04))
    brow = np.abs(along - .035) + 9. * (out < 0)
    strap = soft(width - np.minimum(np.minimum(np.abs(along - nose), below), brow), .012) * head
    colours[:] = mix(colours, leather, strap[:, None])
    if rng.random() < .3:
        hind = rng.random() < .5
        colours[body & (at[:, 2] > .22) & (at[:, 2] < rng.uniform(.38, .45)) & ((at[:, 1] < 0) | hind)] = rng.uniform(.02, .9, 3)
