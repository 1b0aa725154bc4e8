# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion clip onto another four-legged armature, by a mapping that propose_mapping.py made: a .blend with its mesh and one action.

    python blender/scripts/retarget_any.py clip.npz deer.glb --mapping deer.json --skeleton horse.json -o deer.blend
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from kinequimation_blender import anyrig, child, files, loops, options, proportions, scene
from kinequimation_blender.motion import rigid_of
from kinequimation_blender.retarget import evaluate


def main():
    args = arguments()
    skeleton = files.read_skeleton(args.skeleton)
    clip = files.part(files.read_clip(args.clip, skeleton), args.frames, args.clip)
    clip = loops.cut(clip, skeleton) if args.loop else clip
    scene.open_any(args.rig)
    armature = scene.armature(args.armature)
    mapping = anyrig.read(args.mapping, armature, skeleton)
    frames = scene.set_range(clip["meta"]["fps"], len(clip["rotation"]), 1)
    own, wanted = anyrig.retarget(armature, skeleton, clip, mapping, frames, args.name or args.clip.stem, args.in_place, args.reduce)
    result = measured(armature, own, wanted, mapping, frames, clip)
    if args.loop:
        loops.cycle(armature, anyrig.placed(mapping))
        result["next_round_permille"] = next_round(armature, own, mapping, frames)
    if "contacts" in clip:
        scene.add_markers(clip["contacts"], frames)
    with files.atomic_path(args.output) as partial:
        scene.save(partial)
    child.report(output=str(args.output), **result)


def measured(armature, own, wanted, mapping, frames, clip):
    """How near Blender's evaluation is to what was wanted, in shares of the leg's length times 1000 (mm for a leg of a metre), and how far feet slide."""
    legs = anyrig.legs_of(own, mapping)
    size = anyrig.leg_top(own, legs)
    got = rigid_of(evaluate(armature, own["names"], frames))
    away = 1000 * np.linalg.norm(got[..., :3, 3] - wanted[..., :3, 3], axis=-1) / size
    out = {"median_permille": round(float(np.median(away)), 3), "max_permille": round(float(away.max()), 3)}
    if "contacts" in clip:
        tip, slide = proportions.tips(own, got, legs), [0.0]
        for leg in range(4):
            planted = np.flatnonzero(np.asarray(clip["contacts"], bool)[:, leg])
            for stance in np.split(planted, np.flatnonzero(np.diff(planted) > 1) + 1):
                if len(stance):
                    slide.append(float(np.linalg.norm(tip[stance, leg] - tip[stance[0], leg], axis=-1).max()))
        out["slide_max_permille"] = round(1000 * max(slide) / size, 3)
    return out


def next_round(armature, own, mapping, frames):
    """How far the second round is from the first, moved on by a stride; in the same unit."""
    n = len(frames) - 1
    at = rigid_of(evaluate(armature, own["names"], np.concatenate([frames, frames + n])))[..., :3, 3]
    first, second, carrier = at[:n + 1], at[n + 1:], own["names"].index(mapping["bones"][0]["bone"])
    step = first[-1, carrier] - first[0, carrier]
    return round(1000 * float(np.linalg.norm(second - step - first, axis=-1).max()) / anyrig.leg_top(own, anyrig.legs_of(own, mapping)), 3)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("rig", type=Path, help="a .glb, .gltf, .fbx or .blend with the armature in it")
    parser.add_argument("--mapping", type=Path, required=True, help="JSON from propose_mapping.py")
    parser.add_argument("--skeleton", type=Path, required=True, help="the skeleton file (JSON) that the clip is for")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .blend to write")
    parser.add_argument("--armature", help="which, where there are several")
    options.of_clip(parser)
    options.of_keys(parser)
    return parser.parse_args()


child.run(main)
