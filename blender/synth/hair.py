# SPDX-License-Identifier: GPL-3.0-or-later
"""Mane, forelock, tail and feathers: strands laid on the skin of the standard horse, then cut, combed and hidden as a horse's look asks.

Everything is made once, as long and as full as it grows; a strand is a row of vertices from its root to its tip.
Locks are small sheets of some strands that meet at their tips, and overlap their neighbours as tiles do."""
import numpy as np

from .shape import FORE, HEAD_AXIS, HIND, NECK, NECK_AXIS, ROWS, TAIL_ROWS, _profile, joined, on_head, sheet_faces

FEATHER_ROWS, FEATHER_LOCKS = 5, 9  # rows of a strand, locks of a skirt
LOCKS, IN_LOCK = 44, 4  # locks of the mane on one side of the neck, strands of each
TUFTS = 8               # locks of the forelock
MANE_REACH = .42        # m
AROUND = 16             # strands of the tail's bundle, which come before its loose locks


def locks(n, wide, rng):
    """Where each strand of `n` locks grows and how: (centre (n*4,) 0..1, offset (n*4,) from -1 to 1, times `wide`), layer, noise of its lock, noise of its own."""
    centre = np.repeat((np.arange(n) + .5) / n, IN_LOCK)
    offset = np.tile(np.linspace(-1, 1, IN_LOCK), n) * wide / n
    return centre, offset, np.repeat(np.arange(n) % 2, IN_LOCK), np.repeat(rng.normal(size=n), IN_LOCK), rng.normal(size=n * IN_LOCK)


def sheets(rows):
    """[(n*4,3) per row] -> (vertices strand by strand, quads within the locks)."""
    n_rows, vertices = len(rows), np.stack(rows, 1).reshape(-1, 3)
    one = sheet_faces(IN_LOCK, n_rows)
    return vertices, np.concatenate([one + k * IN_LOCK * n_rows for k in range(len(vertices) // (IN_LOCK * n_rows))])


def mane(sampler, side, rng):
    """A mane falling to one side (`side` +1 left, -1 right), from the crest onto the neck."""
    o, a, n = NECK_AXIS
    centre, offset, layer, lock, own = locks(LOCKS, 1.7, rng)
    t = .13 + .77 * (centre + offset)
    top = _profile(NECK, t)[:, 0] + .004
    yz = o + t[:, None] * a + top[:, None] * n
    p = np.stack([np.full(len(t), -.008 * side), yz[:, 0], yz[:, 1]], 1)
    for _ in range(5):  # straight up or down onto the crest: the field's own slope would lead off it sideways
        p += (.011 - sampler.distance(p))[:, None] * np.array([0, *n])
    length = MANE_REACH * np.interp(t, [.12, .24, .8, .95], [.45, 1, 1, .8]) * (1 + .10 * lock + .04 * own)
    rows = []
    for j in range(ROWS):
        u = j / (ROWS - 1)
        rows.append(p)
        step = np.stack([np.full(len(t), side * (.9 if u < .25 else .25)), .12 + .10 * lock, np.full(len(t), 0. if j == 0 else -1.)], 1)
        step /= np.linalg.norm(step, axis=1, keepdims=True)
        round_back = .006 * (1 - (offset / offset.max()) ** 2)
        p = sampler.push_out(p + step * (length / (ROWS - 1))[:, None], (.004 + round_back + .005 * layer + .002 * own.clip(-1, 1)) * (1 - .35 * u) + .002, hold=.004 * (u > .2))
    return sheets(rows)


def forelock(sampler, rng):
    """Hair between the ears, falling on the forehead."""
    centre, offset, layer, lock, own = locks(TUFTS, 1.2, rng)
    x = .060 * (centre + offset - .5)
    p = np.stack([on_head(-.030, .07, xi) for xi in x])
    down, out = np.array([0, *HEAD_AXIS[1]]), np.array([0, *HEAD_AXIS[2]])
    length, rows = .24 * (1 - .35 * (x / .030) ** 2) * (1 + .12 * lock + .05 * own), []
    for j in range(ROWS):
        for _ in range(4):  # straight onto the forehead: the slope beside an ear leads up the ear
            p = p + (.005 + .005 * layer - sampler.distance(p)).clip(-.02, .02)[:, None] * out
        rows.append(p)
        p = p + down * (length / (ROWS - 1))[:, None]
    return sheets(rows)


def tail(points, rng, n_locks=18):
    """The tail's hair around the line of the tail's bones `points` (6,3): a bundle, and looser locks about it that end where they like."""
    extra = points[-1] + .30 * (points[-1] - points[-2]) / np.linalg.norm(points[-1] - points[-2])
    knots = np.concatenate([points, extra[None]])
    s = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    u = np.linspace(0, 1, TAIL_ROWS)
    angle = np.arange(AROUND) * 2 * np.pi / AROUND
    ragged = .30 * np.convolve(np.tile(rng.uniform(0, 1, AROUND), 3), np.ones(2) / 2, "same")[AROUND:2 * AROUND]
    bundle = _around(angle, 1 - ragged, 1 + .14 * rng.normal(size=AROUND).clip(-1.5, 1.5), u, s, knots)
    centre, offset, _, lock, own = locks(n_locks, .8, rng)
    reach = 1 - .28 * np.repeat(rng.uniform(0, 1, n_locks), IN_LOCK) + .02 * own
    turn = 2 * np.pi * (centre + offset)
    loose = _around(turn, reach, 1.10 + .08 * lock, u, s, knots)
    return joined((bundle.reshape(-1, 3), sheet_faces(AROUND, TAIL_ROWS, closed=True)), sheets(list(np.moveaxis(loose, 1, 0))))


def _around(angle, reach, thick, u, s, knots):
    """(n, rows, 3): strands at `angle` (n,) or (n,rows) around the line through `knots` (lengths `s`), ending at the share `reach` of it."""
    n = len(angle)
    at = (s[-1] * (.02 + .98 * u))[None, :] * np.where(u > .4, 1 - (1 - reach[:, None]) * (u - .4) / .6, 1)
    centre = np.stack([np.interp(at, s, knots[:, k]) for k in range(3)], -1)
    for _ in range(3):  # round the corners at the joints
        centre[:, 1:-1] = .5 * centre[:, 1:-1] + .25 * (centre[:, 2:] + centre[:, :-2])
    tangent = np.gradient(centre, axis=1)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    up = np.cross(tangent, [1., 0, 0])
    radius = np.interp(u, [0, .08, .2, .4, .6, .8, .93, 1], [.034, .038, .046, .064, .080, .084, .084, .084])
    r = radius * (1 + (np.reshape(thick, (-1, 1)) - 1) * np.clip(u * 3, 0, 1))
    angle = np.broadcast_to(np.reshape(angle, (n, -1)), (n, len(u)))[..., None]
    return centre + r[..., None] * (np.cos(angle) * np.array([.85, 0, 0]) + np.sin(angle) * up * 1.05)


def feathers(sampler, rng):
    """Long hair of the lower legs: skirts that hang from the back of the cannon, the fetlock and the pastern over the hoof."""
    made = []
    for table in (FORE, HIND):
        for side in (1, -1):
            for k, (z, wide, long) in enumerate(((.37, 65, .09), (.32, 75, .11), (.27, 90, .13), (.22, 110, .14), (.175, 135, .13), (.13, 165, .11))):
                made.append(_skirt(sampler, table, side, z, np.radians(wide), long, k, rng))
    return joined(*made)


def _skirt(sampler, table, side, z, wide, long, layer, rng):
    centre, offset, _, lock, own = locks(FEATHER_LOCKS, 1.5, rng)
    cx, cy, hx, hy = (float(v) for v in _profile(table, np.array([z]))[0])
    angle = (2 * (centre + offset) - 1) * wide  # 0: behind the leg
    out = np.stack([np.sin(angle), np.cos(angle), 0 * angle], 1)
    p = np.array([cx * side, cy, z]) + out * np.array([hx, hy, 1]) * .9
    length = long * (.45 + .55 * np.cos(angle / 2) ** 2) * (1 + .14 * lock + .05 * own)
    rows = []
    for j in range(FEATHER_ROWS):
        rows.append(p)
        u = j / (FEATHER_ROWS - 1)
        step = out * np.array([.26, .38, 0]) * (1.2 - u) + np.array([0, 0, -1.])
        p = p + step * (length / (FEATHER_ROWS - 1) / np.linalg.norm(step, axis=1))[:, None]
        p = sampler.push_out(p, .004 + .004 * u + .001 * layer)
        p[:, 2] = np.maximum(p[:, 2], .012)
    return sheets(rows)


def cut(strands, length):
    """(n, rows, 3): strands at the share `length` (n,) of theirs."""
    rows = strands.shape[1]
    at = np.arange(rows) * np.asarray(length)[:, None]
    i = np.minimum(at.astype(int), rows - 2)
    f = (at - i)[..., None]
    return np.take_along_axis(strands, i[..., None], 1) * (1 - f) + np.take_along_axis(strands, i[..., None] + 1, 1) * f


def gathered(strands, share):
    """(n, rows, 3): the strands of each lock drawn together towards their tips by `share`, as wet or combed hair is."""
    in_locks = strands.reshape(-1, IN_LOCK, *strands.shape[1:])
    return (in_locks + share * np.linspace(0, 1, strands.shape[1])[:, None] ** 2 * (in_locks.mean(1, keepdims=True) - in_locks)).reshape(strands.shape)


def groomed_mane(strands, beneath, style, length, side, with_forelock, rng):
    """(n, ROWS, 3) of mane and forelock: falling to the left (+1), to the right (-1) or to both sides (0), or standing up; what is not seen lies `beneath` the skin."""
    n = LOCKS * IN_LOCK
    ragged = 1 - .16 * np.repeat(rng.random(len(strands) // IN_LOCK), IN_LOCK) - .12 * rng.random(len(strands))
    out = gathered(cut(strands, np.clip(length * ragged, .03, 1)), .45 + .4 * length)
    if style in ("roached", "upright"):
        up = np.array([0, *NECK_AXIS[2]]) + .15 * np.array([0, *NECK_AXIS[1]])
        tall = (.02 + .35 * length) * ragged[:2 * n, None, None] * np.linspace(0, 1, ROWS)[:, None] * np.interp(np.arange(2 * n) % n / n, [0, .12, .9, 1], [.4, 1, 1, .7])[:, None, None]
        out[:2 * n] = strands[:2 * n, :1] * [-.9, 1, 1] - [0, 0, .012] + up * tall + np.sign(-strands[:2 * n, :1]) * [.012, 0, 0] * (1 - np.linspace(0, 1, ROWS)[:, None])
    else:
        for k, falls in enumerate((1, -1)):
            if side == -falls:
                out[k * n:(k + 1) * n] = beneath[k * n:(k + 1) * n]
    if not with_forelock or style == "roached":
        out[2 * n:] = beneath[2 * n:]
    elif style == "upright":
        out[2 * n:] = cut(strands[2 * n:], .4 * ragged[2 * n:])
    return out


def groomed_tail(strands, length, bulk, rng):
    """(n, TAIL_ROWS, 3): shorter, thinner or fuller about its middle line, and running out at its end."""
    u, middle = np.linspace(0, 1, TAIL_ROWS)[:, None], strands.mean(0, keepdims=True)
    strands = cut(middle + (strands - middle) * (1 + (bulk - 1) * np.clip(3 * u, 0, 1)), np.clip(length * (1 - .05 * rng.random(len(strands))), .1, 1))
    bundle, loose = strands[:AROUND], strands[AROUND:]
    middle = bundle.mean(0, keepdims=True)
    return np.concatenate([middle + (bundle - middle) * np.interp(u, [0, .7, .9, 1], [1, 1, .75, .1]), gathered(loose, .8)])


def groomed_feathers(strands, beneath, amount, rng):
    """(n, FEATHER_ROWS, 3): none below .12, then ever longer."""
    if amount < .12:
        return beneath
    return gathered(cut(strands, np.clip((.25 + .75 * amount) * (1 - .25 * np.repeat(rng.random(len(strands) // IN_LOCK), IN_LOCK) - .12 * rng.random(len(strands))), .05, 1)), .85)
