# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion clip onto the Rigify horse of a scene that is there already: the same scene with one more action on its controls.

    python blender/scripts/retarget_rig.py clip.npz scene.blend --skeleton horse.json -o moving.blend [--rig rig] [--reduce 3 1] [--loop] [--limbs FK] [--in-place]
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy

from kinequimation_blender import child, files, loops, retarget, scene


def main():
    args = arguments()
    skeleton, mapping = files.read_skeleton(args.skeleton), retarget.read_mapping(args.mapping)
    clip = files.part(files.read_clip(args.clip, skeleton), args.frames, args.clip)
    clip = loops.cut(clip, skeleton) if args.loop else clip
    scene.open_scene(args.scene)
    armature = scene.armature(args.rig)
    retarget.check(armature, skeleton, mapping)
    frames, name = scene.set_range(clip["meta"]["fps"], len(clip["rotation"])), args.name or args.clip.stem
    retarget.retarget(armature, skeleton, clip, mapping, frames, name, lambda done, total: child.report(stage="keys", done=done, total=total),
                      limbs=args.limbs, in_place=args.in_place, reduce=args.reduce)
    if args.loop:
        loops.cycle(armature, mapping)
    if "contacts" in clip:
        scene.add_markers(clip["contacts"], frames)
    if args.output.resolve().parent != args.scene.resolve().parent:
        bpy.ops.file.make_paths_absolute()  # pictures and libraries beside the scene are found from the other folder too
    with files.atomic_path(args.output) as partial:
        scene.save(partial)
    child.report(frames=len(frames), action=name, output=str(args.output))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("scene", type=Path, help="the .blend with the rig in it; opened without running its scripts, and not changed")
    parser.add_argument("--skeleton", type=Path, required=True, help="the skeleton file (JSON) that the clip is for")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .blend to write")
    parser.add_argument("--rig", help="which armature, where there are several")
    parser.add_argument("--name", help="what the action is called; the clip's file name if left out")
    parser.add_argument("--mapping", type=Path, default=retarget.MAPPINGS / "horse.json")
    parser.add_argument("--limbs", choices=retarget.LIMBS, default="IK", help="which controls the legs listen to; both are keyed")
    parser.add_argument("--in-place", action="store_true", help="without the way that the horse covers")
    parser.add_argument("--frames", type=int, nargs=2, metavar=("FIRST", "LAST"), help="a part of the clip, counted from 1, both included; 0 as LAST is its end")
    parser.add_argument("--reduce", type=float, nargs=2, metavar=("MM", "DEGREES"), help="fewer keys, so that curves can be edited: how far they may stray; 3 1 is a good start")
    parser.add_argument("--loop", action="store_true", help="the cleanest stride alone, repeating itself")
    return parser.parse_args()


child.run(main)
