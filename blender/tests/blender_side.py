# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are, and a clip to try them on."""
import json
import sys
from pathlib import Path

import numpy as np

BLENDER = Path(__file__).resolve().parents[1]
SKELETON = next(p for p in (BLENDER.parent / "kinequimation/assets/skeletons/horse.json", BLENDER.parent / "assets/skeletons/horse.json") if p.exists())
sys.path.insert(0, str(BLENDER))


def wiggle(skeleton, n_frames=16, fps=25.0, share=0.5, seed=0):
    """A clip in which every joint swings within `share` of its limits while the horse walks along -Y; leg bones bend as hinges."""
    rng, time = np.random.default_rng(seed), np.arange(n_frames) / fps
    limits = np.array([b["limits"] for b in json.loads(SKELETON.read_text())["bones"]], float) * share
    rotation = np.zeros((n_frames, len(limits), 4))
    for b, name in enumerate(skeleton["names"]):
        swing = np.sin(2 * np.pi * rng.uniform(0.5, 1.5, 3) * time[:, None] + rng.uniform(0, 6.3, 3))
        angles = np.radians(limits[b].mean(1) + swing * np.ptp(limits[b], 1) / 2)
        if name.startswith(("pelvis", "skull")) or (name.endswith(".001") and "." in name[:-4]):
            angles *= 0  # no control of their own
        if name.startswith(("thigh", "lower_leg", "hind_foot", "upper_arm", "forearm", "forefoot")):
            angles[:, 1:] *= 0
        rotation[:, b] = quat_xyz(angles)
    root = skeleton["head"][0] + np.stack([0.02 * np.sin(5 * time), -1.4 * time, 0.03 * np.sin(9 * time)], -1)
    meta = dict(bones=list(skeleton["names"]), fps=fps, rig="rigify_horse", rest_hash="", focal_px=600.0, image_size=[320, 180])
    return dict(rotation=rotation, root_location=root, meta=meta)


def quat_xyz(angles):
    """(...,3) rad, turned about X, then Y, then Z -> (...,4) wxyz."""
    def about(axis):
        quat = np.zeros(angles.shape[:-1] + (4,))
        quat[..., 0], quat[..., 1 + axis] = np.cos(angles[..., axis] / 2), np.sin(angles[..., axis] / 2)
        return quat
    return product(about(2), product(about(1), about(0)))


def product(a, b):
    aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
    return np.concatenate([aw * bw - (av * bv).sum(-1, keepdims=True), aw * bv + bw * av + np.cross(av, bv)], -1)
