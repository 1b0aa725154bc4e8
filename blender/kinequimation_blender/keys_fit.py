# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth curves through few keys, Schneider's way: cubic Bezier pieces fitted to all frames at once by least squares, a new key amid the
misfit of each piece that is not near enough, and again; then the keys that have become superfluous go. Handles in line, a third of the way
long: in time a cubic, and no corners.
"""
import dataclasses

import numpy as np

PIECE = 240  # frames fitted at once


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
    pieces = [fit_piece(values[a:b + 1], lambda fitted, frames=None, a=a, b=b: error(fitted, slice(a, b + 1) if frames is None else a + frames), [f - a for f in forced if a < f < b],
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
            return thinned(Fit(np.array(at), value, slope, fitted), values, error, set(forced), (slope_first is not None, slope_last is not None))
        at = sorted(set(at) | set(more))


def thinned(made, values, error, forced, held):
    """Without the keys that were needed only while others were not there yet: each in turn is left out if its neighbours can do its work.

    `forced` keys stay; `held`: whether the slope at the first and at the last key is given.
    """
    at, value, slope, fitted, k = made.at, made.value, made.slope, made.all.copy(), 1
    while k < len(at) - 1:
        keys = np.array([i for i in range(max(0, k - 2), min(len(at) - 1, k + 2) + 1) if i != k])
        frames = np.arange(at[keys[0]], at[keys[-1]] + 1)
        around = bridged(values[frames], at[keys] - frames[0], value[keys], slope[keys], (frames[0] == 0 and not held[0], frames[-1] == len(values) - 1 and not held[1]))
        if at[k] not in forced and error(around[2], frames).max() <= 1:
            value, slope, fitted[frames] = value.copy(), slope.copy(), around[2]
            value[keys], slope[keys] = around[:2]
            at, value, slope = (np.delete(each, k, 0) for each in (at, value, slope))
        else:
            k += 1
    return Fit(at, value, slope, fitted)


def bridged(values, at, value, slope, free_ends):
    """Some neighbouring keys fitted anew: the first and the last stay as they are, but for the slope at a free end of the whole curve."""
    A, n = hermite(len(values), at), len(at)
    inner = np.arange(n) % (n - 1) > 0
    free = np.concatenate([inner, inner])
    free[[n, -1]] = free_ends
    both, B = np.concatenate([value, slope]), A[:, free]
    if free.any():
        both[free] += np.linalg.solve(B.T @ B + 1e-9 * np.eye(B.shape[1]), B.T @ (values - A @ both))
    return both[:n], both[n:], A @ both


def split(a, b, wrong):
    """The frame between the keys a and b around which the misfit lies, but not so near either that a piece of a frame or two is left.

    The middle of the misfit and not its peak: while there are few keys, peaks are anywhere, and would draw keys into clusters.
    """
    if b - a < 2:
        return a
    weight, edge = np.square(wrong[a + 1:b]), min(2, (b - a) // 2)
    return int(np.clip(round(float((np.arange(a + 1, b) * weight).sum() / max(weight.sum(), 1e-12))), a + edge, b - edge))


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
