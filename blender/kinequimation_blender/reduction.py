# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys: smooth curves that stay within millimetres and degrees of what they were, which an animator can pull at.

Schneider's way with curves: fit cubic Bezier pieces to all frames at once by least squares, set a new key where the fit is worst, and
again until it is near enough. A control's channels share their keys, so that it has poses and not merely curves.
"""
import dataclasses

import numpy as np

from . import keys
ROOT = (0.3, 0.02)     # mm and degrees: what everything hangs on stays closest
PLANTED_MM = 1.0
ARM_M = 0.4            # what turns is held to the millimetres this far off; beyond that bones correct each other
IK_ARM_M = 0.25        # the same for IK controls, which turn the end of a leg
PIECE = 240            # frames fitted at once


@dataclasses.dataclass
class Fit:
    """Keys of n curves at common frames: which of the frames (K,), values and slopes a frame (K,n), and the values (T,n) at all frames."""
    at: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    all: np.ndarray


def fit(values, error, forced=()):
    """The fewest keys found for `values` (T,n) such that `error(fitted (T,n), frames)`, in shares of what is allowed, is 1 at most."""
    last = len(values) - 1
    borders = sorted({0, last} | set(range(PIECE, last - PIECE // 2, PIECE)))
    if len(borders) < 2:
        return Fit(np.array([0]), values[:1], 0 * values[:1], values)
    slopes = np.gradient(values, axis=0)
    pieces = [fit_piece(values[a:b + 1], lambda fitted, a=a, b=b: error(fitted, slice(a, b + 1)), [f - a for f in forced if a < f < b],
                        slopes[a] if a else None, slopes[b] if b < last else None) for a, b in zip(borders, borders[1:])]
    join = lambda key, shift: np.concatenate([getattr(p, key)[i > 0:] + (shift * borders[i]) for i, p in enumerate(pieces)])
    return Fit(join("at", 1), join("value", 0), join("slope", 0), join("all", 0))


def fit_piece(values, error, forced, slope_first, slope_last):
    """One piece, through its first and last value exactly, and with given slopes there where it joins others."""
    last, at = len(values) - 1, sorted({0, len(values) - 1} | set(forced))
    while True:
        value, slope, fitted = least_squares(values, np.array(at), slope_first, slope_last)
        wrong = error(fitted)
        more = [split(a, b, wrong) for a, b in zip(at, at[1:]) if b - a > 1 and wrong[a + 1:b].max() > 1]
        if not more:  # off at a key itself: the longer of its neighbours gives way
            more = [split(*max(((a, b) for a, b in zip(at, at[1:]) if k in (a, b)), key=lambda piece: piece[1] - piece[0]), wrong) for k in at if wrong[k] > 1]
        more = [f for f in more if f not in at]
        if not more:
            return Fit(np.array(at), value, slope, fitted)
        at = sorted(set(at) | set(more))


def split(a, b, wrong):
    """The frame between the keys a and b where the fit is worst, but not so near either that a piece of a frame or two is left."""
    if b - a < 2:
        return a
    edge = min(2, (b - a) // 2)
    return a + edge + int(wrong[a + edge:b - edge + 1].argmax())


def least_squares(values, at, slope_first, slope_last, rest=1e-4):
    """Values and slopes (K,n) at the keys `at` whose cubics come nearest to `values`; slopes that nothing decides follow the data."""
    A, K = hermite(len(values), at), len(at)
    known = {0: values[0], K - 1: values[-1]}
    known.update({K: slope_first} if slope_first is not None else {})
    known.update({2 * K - 1: slope_last} if slope_last is not None else {})
    guess = np.concatenate([values[at], np.gradient(values, axis=0)[at]])
    fixed = np.array(sorted(known))
    guess[fixed] = [known[i] for i in fixed]
    free = np.setdiff1d(np.arange(2 * K), fixed)
    if len(free):
        left = values - A @ guess
        guess[free] += np.linalg.solve(A[:, free].T @ A[:, free] + rest * np.eye(len(free)), A[:, free].T @ left)
    return guess[:K], guess[K:], A @ guess


def hermite(length, at):
    """(T,2K): how much the value and the slope at each key count in each frame."""
    time = np.arange(length)
    k = np.clip(np.searchsorted(at, time, "right") - 1, 0, len(at) - 2)
    span = (at[k + 1] - at[k]).astype(float)
    x = (time - at[k]) / span
    out = np.zeros((length, 2 * len(at)))
    out[time, k], out[time, k + 1] = 1 - 3 * x**2 + 2 * x**3, 3 * x**2 - 2 * x**3
    out[time, len(at) + k], out[time, len(at) + k + 1] = span * (x - 2 * x**2 + x**3), span * (x**3 - x**2)
    return out


# An action's worth

def write(curves, bag, rig, tolerance, contacts=None):
    """All curves with as many keys as they need; returns how many there are, and how many there were."""
    arms, count = reaches(rig), 0
    for bone in dict.fromkeys(curves.groups.values()):
        arm = min(arms.get(bone, 0.1), IK_ARM_M if "_ik." in bone else ARM_M)
        fitted = curves.fitted.get(bone) or fit_bone(curves, bone, *tolerance, arm, planted_frames(bone, contacts))
        for path, made in fitted.items():
            count += keys.write_bezier(bag, path, curves.frames, made, bone)
    return count, sum(v.size for v in curves.values.values())


def settle_root(curves, bone):
    """Reduces one bone's curves at once and for all: what is keyed afterwards hangs on what they have become."""
    curves.fitted[bone] = fit_bone(curves, bone, *ROOT, 1.0)
    for path, made in curves.fitted[bone].items():
        curves.values[path] = made.all


def fit_bone(curves, bone, mm, degrees, arm_m, planted=None):
    """path -> Fit for the curves of one bone. `arm_m`: how far off the furthest thing is that turns with it."""
    radians = min(np.radians(degrees), mm / 1000 / max(arm_m, 0.01))
    limit = np.full(len(curves.frames), mm / 1000) if planted is None else np.where(planted, min(mm, PLANTED_MM), mm) / 1000
    forced = [] if planted is None else list(np.flatnonzero(np.diff(planted.astype(int)) == 1) + 1) + list(np.flatnonzero(np.diff(planted.astype(int)) == -1))
    paths = [p for p, owner in curves.groups.items() if owner == bone]
    widths = [curves.values[p].shape[1] for p in paths]
    values = np.concatenate([curves.values[p] for p in paths], 1)
    starts = np.cumsum([0] + widths[:-1])

    def error(fitted, frames):
        worst = np.zeros(len(fitted))
        for path, start, width in zip(paths, starts, widths):
            a, b = fitted[:, start:start + width], values[frames, start:start + width]
            if path.endswith("location"):
                worst = np.maximum(worst, np.linalg.norm(a - b, axis=1) / limit[frames])
            elif width == 4:
                cosine = np.abs((a * b).sum(1)) / np.maximum(np.linalg.norm(a, axis=1), 1e-9)
                worst = np.maximum(worst, 2 * np.arccos(np.clip(cosine, 0, 1)) / radians)
            else:
                worst = np.maximum(worst, np.abs(a - b).max(1) / radians)
        return worst

    still = error(np.repeat(values[:1], len(values), 0), slice(None)).max() <= 0.25
    made = Fit(np.array([0]), values[:1], 0 * values[:1], np.repeat(values[:1], len(values), 0)) if still else fit(values, error, forced)
    return {p: Fit(made.at, made.value[:, s:s + w], made.slope[:, s:s + w], made.all[:, s:s + w]) for p, s, w in zip(paths, starts, widths)}


def planted_frames(bone, contacts):
    """(T,) bool for the control that holds a foot, else None."""
    for i, start in enumerate(("hind_foot_ik.L", "forefoot_ik.L", "hind_foot_ik.R", "forefoot_ik.R")):
        if bone == start and contacts is not None:
            return np.asarray(contacts, bool)[:, i]


def reaches(rig):
    """bone -> metres from its head to the furthest DEF bone that hangs on it."""
    from .retarget import ancestors, dependencies  # which imports this module
    above, out = dependencies(rig), {}
    for bone in rig.data.bones:
        if bone.name.startswith("DEF-"):
            for holder in ancestors(bone.name, above):
                head = rig.data.bones[holder].head_local
                out[holder] = max(out.get(holder, 0), (bone.head_local - head).length, (bone.tail_local - head).length)
    return out
