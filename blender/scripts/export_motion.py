# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports for other programs, of a scene.blend or of a clip.npz: FBX, glTF, USD, BVH and Alembic.

    python blender/scripts/export_motion.py scene.blend --skeleton horse.json -o horse.fbx horse.usd --for unreal
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy

from kinequimation_blender import child, export, files, ml_rig, motion, scene


def main():
    args = arguments()
    for path in args.output:
        export.check(path, args.target, args.root)
    skeleton, steps = files.read_skeleton(args.skeleton), child.Steps(1 + len(args.output))
    armature, name = (of_scene if args.source.suffix.lower() == ".blend" else of_clip)(args, skeleton)
    steps.step("read")
    for path in args.output:
        export.write(path, armature, skeleton, args.target, args.root, () if args.no_mesh else None, name=args.name or name)
        steps.step(path.name)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="scene.blend, as it was edited; or clip.npz, which gives the bare skeleton")
    parser.add_argument("--skeleton", type=Path, required=True, help="the skeleton file (JSON)")
    parser.add_argument("-o", "--output", type=Path, nargs="+", required=True, help="files; their endings say the formats")
    parser.add_argument("--for", dest="target", default="blender", choices=export.TARGETS, help="the program that will read them: unit, names, root")
    parser.add_argument("--root", choices=motion.ROOTS, help="the target's own if left out")
    parser.add_argument("--of", default="rig", help="the armature in the scene: rig, with what was edited on it, or ML_rig, the clip as it came")
    parser.add_argument("--no-mesh", action="store_true", help="the skeleton alone")
    parser.add_argument("--name", help="what take and animation are called; the action's name if left out")
    return parser.parse_args()


def of_scene(args, skeleton):
    """The armature of a .blend, opened without running what is written in it."""
    if not args.source.is_file():
        raise files.ClipError(f"Expected a scene, but there is no {args.source}.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(args.source.resolve()), use_scripts=False, load_ui=False)
    except RuntimeError:
        raise files.ClipError(f"Expected a Blender file, but {args.source} can't be read as one.") from None
    armatures = [o.name for o in bpy.context.scene.objects if o.type == "ARMATURE"]
    if args.of not in armatures:
        raise files.ClipError(f"Expected an armature called {args.of} in {args.source}, but there is {', '.join(armatures) or 'none'}. Name one of them with --of.")
    return bpy.data.objects[args.of], export.action_name(bpy.data.objects[args.of])


def of_clip(args, skeleton):
    clip = files.read_clip(args.source, skeleton)
    frames = scene.new_scene(clip["meta"]["fps"], len(clip["rotation"]))
    bare = ml_rig.build_ml_rig(skeleton)
    ml_rig.pose_ml_rig(bare, skeleton, clip, frames, args.source.stem)
    return bare, args.source.stem


child.run(main)
