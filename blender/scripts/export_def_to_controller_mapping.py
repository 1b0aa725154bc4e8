# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controls of a Rigify rig move which DEF bones, as JSON to look at, to edit, and to retarget with.

    python blender/scripts/export_def_to_controller_mapping.py -o mapping.json [--scene rig.blend --rig rig]
    python blender/scripts/export_def_to_controller_mapping.py --check mapping.json [--scene rig.blend --rig rig]
"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kinequimation_blender import child, files, mapping_of, retarget, rig, scene


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-o", "--output", type=Path, help="the JSON to write")
    what.add_argument("--check", type=Path, help="a mapping to hold against the rig; an error names the first bone that isn't there")
    parser.add_argument("--scene", type=Path, help="a .blend with the rig in it; a newly generated Rigify horse if left out")
    parser.add_argument("--rig", default="rig", help="what the armature is called")
    args = parser.parse_args()
    mapping = retarget.read_mapping(args.check) if args.check else None
    if args.scene:
        scene.open_scene(args.scene)
        armature = scene.armature(args.rig)
    else:
        scene.new_scene(25, 1)
        armature = rig.build_rig()
    skeleton = mapping_of.skeleton(armature)
    mapping = mapping or mapping_of.mapping(armature)
    retarget.check(armature, skeleton, mapping)
    if args.output:
        with files.atomic_path(args.output) as partial:
            partial.write_text(mapping_of.text(mapping))
    unmoved = mapping_of.unmoved(armature, skeleton, mapping)
    child.report(controls=len(mapping["controls"]), bones=len(skeleton["names"]), bones_that_nothing_moves=unmoved)


child.run(main)
