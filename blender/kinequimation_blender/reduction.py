# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys: curves that stay within millimetres and degrees of what they were, which an animator can pull at.

A control's channels share their keys, so that it has poses and not merely curves.
"""
import numpy as np

from . import keys
from .keys_fit import Fit, fit

ROOT = (0.3, 0.02)     # mm and degrees: what everything hangs on stays closest
PLANTED_MM = 0.6
HOOF_M = 0.1           # from a foot's control to the tip of its hoof, about
ARM_M = 0.4            # what turns is held to the millimetres this far off; beyond that bones correct each other
IK_ARM_M = 0.25        # the same for IK controls, which turn the end of a leg


def writing(curves, bag, rig, tolerance, contacts=None):
    """All curves with as many keys as they need, bone by bone: a generator, as `slices` has them."""
    arms = reaches(rig)
    for bone in dict.fromkeys(curves.groups.values()):
        arm = min(arms.get(bone, 0.1), IK_ARM_M if "_ik." in bone else ARM_M)
        fitted = curves.fitted.get(bone) or fit_bone(curves, bone, *tolerance, arm, planted_frames(bone, contacts))
        for path, made in fitted.items():
            keys.write_bezier(bag, path, curves.frames, made, bone)
        yield


def settle_root(curves, bone):
    """Reduces one bone's curves at once and for all: what is keyed afterwards hangs on what they have become."""
    curves.fitted[bone] = fit_bone(curves, bone, *ROOT, 1.0)
    for path, made in curves.fitted[bone].items():
        curves.values[path] = made.all


def fit_bone(curves, bone, mm, degrees, arm_m, planted=None):
    """path -> Fit for the curves of one bone. `arm_m`: how far off the furthest thing is that turns with it."""
    limit = np.full(len(curves.frames), mm / 1000) if planted is None else np.where(planted, min(mm, PLANTED_MM), mm / 2) / 1000
    radians = np.full(len(limit), min(np.radians(degrees), mm / 1000 / max(arm_m, 0.01)))
    if planted is not None:
        radians = np.where(planted, np.minimum(radians, PLANTED_MM / 1000 / HOOF_M), radians)
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
                worst = np.maximum(worst, 2 * np.arccos(np.clip(cosine, 0, 1)) / radians[frames])
            else:
                worst = np.maximum(worst, np.abs(a - b).max(1) / radians[frames])
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
