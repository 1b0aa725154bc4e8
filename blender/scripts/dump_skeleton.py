# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate Blender's Rigify horse and write its DEF bones as a skeleton file (JSON).

    python blender/scripts/dump_skeleton.py --anatomy anatomy.json -o horse.json

The 68 keypoints are the heads of the DEF bones less the 12 of the mane, so the mane comes last and the keypoints are
the first 68. Rigify hangs 29 of the DEF bones on ORG or MCH bones; their parent here is the DEF bone of the nearest
ORG ancestor, which moves with it unless an animator moves a tweak control.
"""
import argparse
import json
import os
import re
import sys
from pathlib import Path

import bpy

SIDE = {".L": ".R", ".R": ".L"}


def generate_rig():
    """The Rigify horse, generated from its metarig in an empty scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    # addon_utils.enable half-registers Rigify; the operator does it whole
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_horse_metarig_add()
    bpy.ops.pose.rigify_generate()
    return bpy.context.object


def def_parent(bone, def_names):
    """The DEF bone that `bone` hangs on, or None at the root."""
    ancestor = bone.parent
    while ancestor is not None:
        candidate = "DEF-" + re.sub(r"^(DEF|ORG)-", "", ancestor.name)
        if ancestor.name.startswith(("DEF-", "ORG-")) and candidate in def_names and candidate != bone.name:
            return candidate
        ancestor = ancestor.parent
    return None


def ordered(bones, parents):
    """Bones of the body before those of the mane, and every parent before its children, otherwise as Rigify has them."""
    waiting = sorted(bones, key=lambda b: "mane_" in b.name)
    done = []
    while waiting:
        bone = next(b for b in waiting if parents[b.name] is None or parents[b.name] in {d.name for d in done})
        waiting.remove(bone)
        done.append(bone)
    return done


def base_name(name):
    """Without side and, for the mane, without its number: `thigh.L.001` -> `thigh.001`, `mane_top.03` -> `mane_top`."""
    return re.sub(r"^(mane_\w+)\.\d+$", r"\1", re.sub(r"\.[LR](?=\.|$)", "", name))


def limits(bone, bend, twist, side):
    """Ranges of the pose basis' XYZ Euler angles in degrees; `bend` is given as towards the tail, its sign in X follows the roll."""
    # turning about +X moves the tip along the bone's Z axis; the horse faces -Y
    backwards = bone.matrix_local.to_3x3().col[2].y >= 0
    return [list(bend) if backwards else [-bend[1], -bend[0]], list(twist), list(side)]


def roll_of(bone):
    return bpy.types.Bone.AxisRollFromMatrix(bone.matrix_local.to_3x3())[1]


def mirrored(name):
    return re.sub(r"\.([LR])(?=\.|$)", lambda m: SIDE[m.group(0)], name)


def skeleton(rig, anatomy):
    bones = [b for b in rig.data.bones if b.name.startswith("DEF-")]
    def_names = {b.name for b in bones}
    parents = {b.name: def_parent(b, def_names) for b in bones}
    bones = ordered(bones, parents)
    index = {b.name: i for i, b in enumerate(bones)}
    rows = []
    for bone in bones:
        name = bone.name.removeprefix("DEF-")
        what, sigma, *ranges = anatomy[base_name(name)]
        rows.append({
            "name": name, "parent": index.get(parents[bone.name], -1),
            "head": list(bone.head_local), "tail": list(bone.tail_local), "roll": roll_of(bone),
            "matrix_local": [list(row) for row in bone.matrix_local],
            "mirror": mirrored(name), "anatomy": side_word(name) + what, "sigma": sigma, "limits": limits(bone, *ranges),
        })
    return {"format": "kinequimation-skeleton", "version": 1, "name": "rigify_horse",
            "n_keypoints": sum("mane_" not in r["name"] for r in rows),
            "up": "Z", "facing": "-Y", "unit": "m", "bones": rows}


def side_word(name):
    side = re.search(r"\.([LR])(?=\.|$)", name)
    return {"L": "left ", "R": "right "}[side.group(1)] if side else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anatomy", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    data = skeleton(generate_rig(), json.loads(args.anatomy.read_text()))
    partial = args.output.with_suffix(".partial")
    partial.write_text(to_text(data))
    partial.replace(args.output)
    print(f"{args.output}: {len(data['bones'])} bones, {data['n_keypoints']} keypoints")
    sys.stdout.flush()
    os._exit(0)  # Blender 4.x hangs or crashes at exit once Rigify is on


def to_text(data):
    """JSON with a bone a line, floats as Blender's float32 gives them: short, and a diff shows the bone."""
    rounded = json.loads(json.dumps(data), parse_float=lambda x: round(float(x), 7))
    bones = ",\n  ".join(json.dumps(b) for b in rounded.pop("bones"))
    return json.dumps(rounded, indent=1)[:-2] + ',\n "bones": [\n  ' + bones + "\n ]\n}\n"


main()
