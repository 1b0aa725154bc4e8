# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bones of another four-legged armature answer to which of the horse's joints, from their names and places: JSON to look at and mend.

    python blender/scripts/propose_mapping.py deer.glb -o deer.json [--armature Armature]
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kinequimation_blender import anyrig, child, files, scene


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rig", type=Path, help="a .glb, .gltf, .fbx or .blend with the armature in it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the JSON to write")
    parser.add_argument("--armature", help="which, where there are several")
    args = parser.parse_args()
    scene.open_any(args.rig)
    mapping = anyrig.propose(scene.armature(args.armature))
    with files.atomic_path(args.output) as partial:
        partial.write_text(anyrig.text(mapping))
    child.report(bones=len(mapping["bones"]), forward=mapping["forward"], output=str(args.output))


child.run(main)
