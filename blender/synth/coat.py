# SPDX-License-Identifier: GPL-3.0-or-later
"""Coats: a linear colour for each vertex, from where it is on the horse at rest."""
import numpy as np

from .horse import MANE, TAIL

COATS = {  # linear RGB; shares roughly as one meets them
    "bay": (.16, .055, .022), "dark_bay": (.07, .03, .015), "brown": (.08, .035, .018), "black": (.012, .012, .013), "chestnut": (.28, .09, .03),
    "liver_chestnut": (.12, .035, .015), "grey": (.45, .45, .46), "white": (.75, .73, .7), "palomino": (.5, .3, .1), "dun": (.35, .24, .13), "roan": (.3, .25, .25)}
BLACK, WHITE = np.array([.012, .011, .010]), np.array([.72, .70, .67])
BLACK_POINTS = {"bay", "dark_bay", "brown", "dun", "roan"}


def coat_colours(horse, rng, coat=None):
    """(V,3) linear colours and the coat's name."""
    name = coat or str(rng.choice(list(COATS)))
    at, part = horse["vertices"], horse["part"]
    base = np.array(COATS[name]) * rng.uniform(.6, 1.5) * rng.normal(1, .07, 3)
    colours = np.tile(base, (len(at), 1)) * np.exp(.25 * np.clip(at[:, 2:] - 1.1, -.5, .5))  # paler below
    colours = mottled(colours, at, rng, strong=name in {"grey", "roan"})
    if name in BLACK_POINTS or rng.random() < .2:
        dark = np.clip((.62 - at[:, 2:]) / .25, 0, 1)
        colours = colours * (1 - dark) + BLACK * dark
    white_marks(colours, at, rng)
    hair = BLACK if name in BLACK_POINTS | {"black"} or rng.random() < .4 else WHITE * .8 if name in {"palomino", "white"} else base * rng.uniform(.4, 1.6)
    for kind in (TAIL, MANE):
        colours[part == kind] = hair * rng.uniform(.7, 1.4, (int((part == kind).sum()), 1))
    return np.clip(colours, .003, .95), name


def mottled(colours, at, rng, strong):
    """Dapples on some, patches of a pinto on a few."""
    phase = rng.uniform(0, 9, 3)
    if strong or rng.random() < .15:
        f = rng.uniform(6, 14)
        colours = colours * (1 + .3 * np.prod(np.sin(at * f * (1, .8, .9) + phase), axis=1))[:, None]
    if rng.random() < .12:
        f = rng.uniform(2, 4)
        colours[np.sin(at * f * (.7, 1, 1) + phase).sum(1) > .5] = WHITE
    return colours


def white_marks(colours, at, rng):
    """Socks, a blaze, the muzzle, the eyes, the hooves."""
    x, y, z = at.T
    for side, hind in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        if rng.random() < .3:
            colours[(np.sign(x) == side) & ((y > 0) == hind) & (z < rng.uniform(.12, .45))] = WHITE
    colours[z < .09] = rng.choice([.02, .06, .25]) * np.array([1, .9, .8])
    if rng.random() < .45:
        colours[(np.abs(x) < rng.uniform(.015, .04)) & (y < -1.33) & (z > 1.68 + 1.5 * (y + 1.33))] = WHITE
    colours[(y < -1.56) & (z < 1.45)] *= rng.uniform(.3, .9)
    for side in (1, -1):
        colours[np.linalg.norm(at - (side * .095, -1.44, 1.735), axis=1) < .03] = .006
        colours[np.linalg.norm(at - (side * .05, -1.665, 1.345), axis=1) < .016] = .008


