# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a rig's DEF bones as JSON: parent and child of every edge, rest pose in metres. Of Rigify's horse, or of an armature in a .blend.

    python blender/scripts/export_skeleton_edges_from_rig.py -o edges.json [--scene rig.blend --rig rig]
"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kinequimation_blender import child, files, mapping_of, rig, scene


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="the JSON to write")
    parser.add_argument("--scene", type=Path, help="a .blend with the rig in it; a newly generated Rigify horse if left out")
    parser.add_argument("--rig", default="rig", help="what the armature is called")
    args = parser.parse_args()
    if args.scene:
        scene.open_scene(args.scene)
        armature = scene.armature(args.rig)
    else:
        scene.new_scene(25, 1)
        armature = rig.build_rig()
    tree = mapping_of.tree(armature)
    with files.atomic_path(args.output) as partial:
        partial.write_text(json.dumps(tree, indent=1) + "\n")
    child.report(bones=len(tree["bones"]), edges=len(tree["edges"]), output=str(args.output))


child.run(main)
