# SPDX-License-Identifier: GPL-3.0-or-later
"""ML_rig from a skeleton file: all DEF bones with their rest pose and roll, no constraints, no controls.

    python blender/scripts/build_ml_rig.py horse.json -o ml_rig.blend
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kinequimation_blender import child, files, ml_rig, scene


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("skeleton", type=Path, help="the skeleton file (JSON)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .blend to write")
    parser.add_argument("--name", default="ML_rig", help="what the armature is called")
    args = parser.parse_args()
    skeleton = files.read_skeleton(args.skeleton)
    scene.new_scene(25, 1)
    ml_rig.build_ml_rig(skeleton, args.name)
    with files.atomic_path(args.output) as partial:
        scene.save(partial)
    child.report(bones=len(skeleton["names"]), output=str(args.output))


child.run(main)
