# SPDX-License-Identifier: GPL-3.0-or-later
"""Render labelled pictures of horses.

    python blender/synth/render.py [JOBS.jsonl] --skeleton horse.json --cache DIR

A line of JOBS.jsonl, or of standard input, is a job, one clip:
    out       folder to write to
    size      [width, height] px;  samples (4) of Cycles;  fps (25) of the motion
    names     [stem, ...] one a picture;  frames [i, ...] which of the motion's frames each shows
    camera    {K, R, t} (OpenCV, x_camera = R x + t), one for all pictures or one each
    horses    [{skeleton: file, clip: .npz, look: {...}, tack_seed: int or null, at: [x, y, heading in rad] (optional: turns the motion about Z, then moves it), id}, ...]
              the first is the one that is filmed, the others stand around; none: a picture of the place alone
    place     {seed, eye (3,) m, root (3,) m, plain, ...}: what is around is drawn from the seed and furnished for somebody at `eye` who looks at `root`
    photo     {seed, film (one look for all pictures, as a video has), shutter (share of 1/fps for which it is open; 0: no motion blur)}
    todo      [k, ...] which of the pictures to make; all if it is left out
`--skeleton` is the standard horse on which the skin was modelled.

Writes `out/images/<stem>.jpg` and `out/labels/<stem>.json` (see labels.py): {schema, frame, size, camera, place, photo, horses: [{id, keypoints, bbox_xywh, area, segmentation, heads, tails,
rotation, and the three as the camera sees them, look, tack}, ...]}, the filmed horse first. The label comes last and each is renamed into place, so that a picture with its label is complete;
what is complete is not made again.

On standard output, a line of JSON each: {"ready"} when jobs can come, {"at": stem} when a picture is begun ("" while the scene is furnished), {"frame": stem, seconds, ...} when it is there,
{"done": n} after a job, {"error", "at"} when a picture or the furnishing failed: the next picture, or job, follows all the same.
"""
import argparse
import errno
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[1]))

from kinequimation_blender import child, files, maths
from synth import coat, exr, horse as horses, labels, stage as stages

try:
    from synth import tack
except ImportError:
    tack = None
try:
    from synth import photograph
except ImportError:
    photograph = None

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Animal:
    """A horse of a job: its skin in the scene, posed frame by frame, with what it wears."""

    def __init__(self, renderer, number):
        self.renderer, self.number, self.tack = renderer, number, None
        self.made = horses.mesh_object(renderer.horse, renderer.horse["vertices"], np.ones((len(renderer.horse["vertices"]), 3)))
        self.made.shadow_terminator_geometry_offset = .2  # else the low sun draws the triangles on a pale coat
        self.made.data.materials.append(stages.material("coat", rough=.6, attribute="coat"))
        self.made.pass_index = number

    def dress(self, told, job):
        """Shape, coat, tack and motion as `told` in the job."""
        skin, standard, look = self.renderer.horse, self.renderer.standard, told.get("look") or {}
        self.told, self.fps, self.skeleton = told, job.get("fps", 25), files.read_skeleton(told["skeleton"])
        self.place_motion(job["frames"])
        self.rest = shaped(skin, standard, self.skeleton, look)
        self.depth = labels.flesh(skin, self.rest, self.skeleton)
        horses.paint(self.made.data, coloured(skin, look))
        self.wear(told.get("tack_seed"), look)
        show(self.made, True)

    def place_motion(self, frames):
        """Matrices (T,B,4,4) of the bones in each picture, and one frame of the motion later."""
        clip, at = files.read_clip(self.told["clip"], self.skeleton), self.told.get("at")
        frames, last = np.asarray(frames), len(clip["rotation"]) - 1
        self.sign = np.where(frames < last, 1, -1)  # at the motion's end: how it got there
        posed = maths.posed(self.skeleton, *(clip[key][np.concatenate([frames, np.clip(frames + self.sign, 0, last)])] for key in ("rotation", "root_location")))
        if at is not None:
            c, s = np.cos(at[2]), np.sin(at[2])
            posed = np.array([[c, -s, 0, at[0]], [s, c, 0, at[1]], [0, 0, 1, 0], [0, 0, 0, 1]]) @ posed
        self.matrices, self.later = posed[:len(frames)], posed[len(frames):]

    def wear(self, seed, look):
        self.leave()
        self.worn = None
        if seed is None or tack is None:
            return
        self.worn = tack.draw_tack(np.random.default_rng(seed), look)
        self.tack = tack.Tack(self.renderer.horse, self.rest, self.skeleton, self.worn)
        for made in self.tack.objects:
            made.pass_index = 0 if made.name.startswith("Rider") else self.number

    def leave(self):
        """Out of the picture, until it is dressed again."""
        if self.tack is not None:
            self.tack.remove()
        self.tack = None
        show(self.made, False)

    def pose(self, k, blurred):
        """Poses skin and tack for picture k; with motion blur, also says how fast each of their points moves."""
        later = self.posed(self.later[k]) if blurred else None
        self.skin = self.posed(self.matrices[k])[0][1]
        for n, (made, points) in enumerate(self.objects()):
            velocity = (later[n][1] - points) * self.sign[k] * self.fps if blurred else np.zeros_like(points)
            set_velocity(made, velocity @ np.linalg.inv(np.array(made.matrix_world)[:3, :3]).T)

    def posed(self, matrices):
        """Puts everything where these bones are; [(object, (N,3) points in the world), ...], the skin first."""
        skin = horses.skinned(self.renderer.horse, self.rest, self.skeleton, matrices)
        self.made.data.vertices.foreach_set("co", skin.astype(np.float32).ravel())
        self.made.data.update()
        if self.tack is not None:
            self.tack.pose(skin, matrices)
        return self.objects()

    def objects(self):
        return [(made, points(made)) for made in [self.made, *(self.tack.objects if self.tack is not None else [])] if made.type == "MESH"]
