# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender's Python for test_bad_input.py: scenes with rigs that cannot be keyed, and one that can.

    python bad_rigs.py horse.json folder
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy

from kinequimation_blender import child, files, ml_rig, rig, scene


def main():
    skeleton, folder = files.read_skeleton(sys.argv[1]), Path(sys.argv[2])
    keep = lambda name: scene.save(folder / f"{name}.blend")
    scene.new_scene(25, 10)
    horse = rig.build_rig()
    keep("good")
    horse.data.pose_position = "REST"
    keep("locked")
    horse.data.pose_position = "POSE"
    horse.hide_viewport = True
    keep("hidden")
    horse.hide_viewport = False
    for kind, bone in (("bone", "DEF-head"), ("control", "torso")):
        horse.data.bones[bone].name = bone + "_old"
        keep("lacks a " + kind)
        horse.data.bones[bone + "_old"].name = bone
    scene.new_scene(25, 10)
    keep("none")
    ml_rig.build_ml_rig(skeleton)
    keep("not rigify")
    scene.new_scene(25, 10)
    with bpy.data.libraries.load(str(folder / "good.blend"), link=True) as (there, here):
        here.objects = ["rig"]
    bpy.context.scene.collection.objects.link(here.objects[0])
    keep("linked")


child.run(main)
