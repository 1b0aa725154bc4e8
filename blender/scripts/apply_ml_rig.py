# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion clip on ML_rig, as one action: in a new scene, or on the ML_rig of a .blend.

    python blender/scripts/apply_ml_rig.py clip.npz --skeleton horse.json -o moving.blend [--scene ml_rig.blend]
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy
import numpy as np

from kinequimation_blender import child, files, loops, ml_rig, scene


def main():
    args = arguments()
    skeleton = files.read_skeleton(args.skeleton)
    clip = files.part(files.read_clip(args.clip, skeleton), args.frames, args.clip)
    clip = loops.cut(clip, skeleton) if args.loop else clip
    fps, n = clip["meta"]["fps"], len(clip["rotation"])
    if args.scene:
        scene.open_scene(args.scene)
        rig, frames = scene.armature(args.rig), scene.set_range(fps, n)
        ml_rig.check(rig, skeleton)
    else:
        frames = scene.new_scene(fps, n)
        rig = ml_rig.build_ml_rig(skeleton, args.rig)
    ml_rig.pose_ml_rig(rig, skeleton, clip, frames, args.name or args.clip.stem)
    if "contacts" in clip:
        scene.add_markers(clip["contacts"], frames)
    bpy.context.scene.frame_set(int(np.min(frames)))
    with files.atomic_path(args.output) as partial:
        scene.save(partial)
    child.report(frames=n, output=str(args.output))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--skeleton", type=Path, required=True, help="the skeleton file (JSON) that the clip is for")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .blend to write")
    parser.add_argument("--scene", type=Path, help="a .blend with ML_rig in it; a new one if left out")
    parser.add_argument("--rig", default="ML_rig", help="what the armature is called")
    parser.add_argument("--name", help="what the action is called; the clip's file name if left out")
    parser.add_argument("--loop", action="store_true", help="the cleanest stride alone")
    parser.add_argument("--frames", type=int, nargs=2, metavar=("FIRST", "LAST"), help="a part of the clip, counted from 1, both included; 0 as LAST is its end")
    return parser.parse_args()


child.run(main)
