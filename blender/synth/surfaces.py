# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures: a pool of noises and patterns, made once a process from a fixed seed, and skies painted with them.

Cycles' persistent data knows an image by its name and address, and would go on showing what it had there. The pool never changes; a sky gets a new name each time.
"""
import itertools

import bpy
import numpy as np

COUNT = itertools.count()
GREEN, HORIZON = np.array([.05, .09, .03]), np.array([.75, .80, .86])


def noise(rng, n, octaves=4, falloff=1.2, stretch=1):
    """(n,n) smooth noise of unit variance that tiles; `stretch` makes it longer across."""
    out = np.zeros((n, n), np.float32)
    for octave in range(octaves):
        rows = min(2 ** (octave + 2), n)
        columns = max(2, rows // stretch)
        grid = rng.standard_normal((rows, columns), np.float32)
        out += _interpolated(_interpolated(grid, n, 0), n, 1) / falloff ** octave
    return (out - out.mean()) / out.std()


def _interpolated(grid, n, axis):
    cells = grid.shape[axis]
    x = np.arange(n) * cells / n
    i, f = x.astype(int), (x % 1).astype(np.float32)
    f = (f * f * (3 - 2 * f)).reshape((-1, 1) if axis == 0 else (1, -1))
    return np.take(grid, i % cells, axis) * (1 - f) + np.take(grid, (i + 1) % cells, axis) * f


def noises():
    """{name: (n,n) 0..1 about .5}: what grounds and skies are made of."""
    rng = np.random.default_rng(20)
    fields = dict(patches=noise(rng, 256, 4, 1.6), clouds=noise(rng, 256, 6, 1.5), fine=noise(rng, 512, 8, .95), clods=noise(rng, 512, 7, 1.0) ** 2 * .7 - .5, streaks=noise(rng, 512, 8, 1.05, stretch=6), grit=noise(rng, 512, 9, .75))
    fields["hoofs"] = .5 * fields["grit"] - 1.6 * (np.abs(noise(rng, 512, 5, .8)) < .22)
    fields["straw"] = .7 * fields["streaks"] + .7 * fields["streaks"].T
    return {name: np.clip(.5 + .18 * f, 0, 1) for name, f in fields.items()}


def details(fields, n=1024, finer=3):
    """{"<field> twice": (n,n) 0..1}: each field at two scales in one image, for grounds: coarse clods, and fine ones on them."""
    at = np.arange(n)
    both = lambda f: .6 * np.take(np.take(f, at * len(f) // n, 0), at * len(f) // n, 1) + .4 * np.take(np.take(f, at * finer * len(f) // n % len(f), 0), at * finer * len(f) // n % len(f), 1)
    return {f"{name} twice": both(f) for name, f in fields.items() if name not in ("patches", "clouds")}


def patterns():
    """{name: (256,256) 0..1}: walls and boards; a tile is two metres wide."""
    rng, n = np.random.default_rng(21), 256
    y, x = np.mgrid[:n, :n]
    soft = noise(rng, n, 6, 1.2)
    brick = (y % 32 < 3) | ((x + 32 * (y // 32 % 2)) % 64 < 3)
    tone = rng.standard_normal((8, 4)).repeat(32, 0).repeat(64, 1)
    out = dict(plaster=.72 + .08 * soft, planks=.62 + .10 * rng.standard_normal(8).repeat(32)[None] + .05 * soft - .42 * (x % 32 < 2), boards=.62 + .1 * rng.standard_normal(8).repeat(32)[:, None] + .05 * soft - .4 * (y % 32 < 2),
               bricks=.55 + .09 * tone + .05 * soft + .2 * brick, lines=.8 - .6 * (x % 64 < 2) + .04 * soft, squares=.78 - .55 * ((x % 64 < 2) | (y % 64 < 2)) + .04 * soft,
               sheet=.65 + .12 * np.sin(2 * np.pi * x / 16) + .04 * soft, stones=.5 + .13 * noise(rng, n, 4, .7) + .05 * soft, natural=.5 + .17 * noise(rng, n, 8, 1.05), writing=_writing(rng, n))
    return {name: np.clip(p, .03, 1).astype(np.float32) for name, p in out.items()}


def _writing(rng, n):
    """Something like posters with lettering."""
    page = np.full((n, n), .8)
    for _ in range(5):
        y, x, h, w = *rng.integers(0, n - 60, 2), *rng.integers(30, 60, 2)
        page[y:y + h, x:x + w] = rng.uniform(.1, .9)
    for row in range(8, n - 20, int(rng.integers(18, 30))):
        column = 6
        while column < n - 12:
            wide = int(rng.integers(2, 9))
            page[row:row + 12, column:column + wide] = rng.choice([.05, .15, .95])
            column += wide + int(rng.integers(2, 6))
    return page


def image(name, pixels):
    """A Blender image of numbers (h,w) or linear colours (h,w,3), the first row at the bottom."""
    h, w = pixels.shape[:2]
    made = bpy.data.images.new(name, w, h, float_buffer=pixels.ndim == 3)
    made.colorspace_settings.name = "Non-Color"
    rgba = np.ones((h, w, 4), np.float32)
    rgba[..., :3] = pixels if pixels.ndim == 3 else pixels[..., None]
    made.pixels.foreach_set(rgba.ravel())
    made.update()
    return made


SKIES = dict(clear=.26, hazy=.2, broken=.24, overcast=.2, evening=.1)


def sky(rng, fields, kind, h=192, w=384):
    """(h,w,3) linear light all around, the horizon in the middle row, white about 1: pales towards the horizon, has clouds and mostly a line of trees, hills or houses."""
    up = np.linspace(-1, 1, h, dtype=np.float32)[:, None, None]
    blue = np.array([.22, .42, .85]) * rng.uniform(.6, 1.2) * rng.normal(1, .04, 3)
    grey = rng.uniform(.35, 1.0) * rng.normal(1, .025, 3) * [.97, 1, 1.04]
    zenith = dict(clear=blue, hazy=.5 * blue + .5 * grey, broken=.8 * blue + .2 * grey, overcast=grey, evening=blue * [.6, .55, .6], hall=np.full(3, rng.uniform(.15, .6)))[kind]
    low = dict(clear=.6 * HORIZON + .4 * zenith, hazy=HORIZON * rng.uniform(.8, 1.1), broken=.7 * HORIZON + .2 * grey, overcast=grey * rng.uniform(.9, 1.3), evening=np.array([1.1, .55, .25]) * rng.uniform(.5, 1.1), hall=zenith * rng.uniform(.3, .9))[kind]
    share = np.clip(up * rng.uniform(1.2, 3), 0, 1) ** .6
    veil = turned_over(rng, fields["clouds"], h, w) - .5
    cover = dict(clear=.05, hazy=.2, broken=1., overcast=.25, evening=.6, hall=.0)[kind]
    out = low * (1 - share) + zenith * share
    white = np.clip(4 * veil + rng.uniform(-.2, .5), 0, 1) * cover * np.clip(up * 4, 0, 1)
    out = out * (1 - white) + (np.full(3, .95) if kind != "evening" else np.array([1, .7, .55])) * white
    out = out * (1 + (.1 if kind != "hall" else .5) * veil)
    if kind != "hall":
        for distance in range(int(rng.choice(4, p=[.12, .38, .32, .18]))):
            out = skyline(rng, fields, out, low, distance)
    return np.clip(out, .004, 4).astype(np.float32)


def skyline(rng, fields, out, low, distance):
    """Trees, hills or houses before a sky; the nearer the lower."""
    h, w = out.shape[:2]
    column, kind = np.arange(w), rng.choice(["trees", "hills", "houses"], p=[.6, .25, .15])
    knots = rng.normal(0, 1, dict(trees=int(rng.integers(30, 110)), hills=int(rng.integers(5, 12)), houses=2)[kind])
    wavy = np.interp(column, np.linspace(0, w, len(knots) + 1), np.r_[knots, knots[0]])
    steps = np.sort(rng.integers(0, w, 40))
    blocks = rng.normal(0, 1, 41)[np.searchsorted(steps, column)] * (rng.random(41) < .7)[np.searchsorted(steps, column)]
    tops = h / 2 + np.abs(blocks if kind == "houses" else wavy) * rng.uniform(1.5, 9) + rng.uniform(0, 7) - 3 * distance
    colour = dict(trees=GREEN * rng.uniform(.4, 1.8), hills=GREEN * [1, 1, 1.6] * rng.uniform(.7, 2), houses=np.full(3, rng.uniform(.08, .5)) * rng.normal(1, .1, 3))[kind]
    if rng.random() < .12:
        colour = colour * rng.uniform(.4, 2.2, 3)  # autumn, heather, blossom
    far = rng.uniform(.5, .85) if kind == "hills" else rng.uniform(0, .4)
    texture = np.exp((turned_over(rng, fields["fine"], h, w) - .5) * rng.uniform(1, 4) * (kind != "houses"))
    row = np.arange(h)[:, None]
    inside = (np.clip(tops[None] - row + 1.5 * texture[..., 0], 0, 1) * (row > h * .42))[..., None]
    return out * (1 - inside) + np.clip(colour * texture * (1 - far) + low * far, .003, 2) * inside


def turned_over(rng, field, h, w):
    """(h,w,1): a piece of a tiling field, anywhere, either way round, taken at the grid that fits."""
    n = len(field)
    i, j = (int(rng.integers(n)) + np.arange(h)) % n, (int(rng.integers(n)) + np.arange(w) * int(rng.choice([-1, 1]))) % n
    return field[np.ix_(i, j)][..., None]
