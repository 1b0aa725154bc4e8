# SPDX-License-Identifier: GPL-3.0-or-later
"""File > Import > Horse motion clip (.npz): the clip on a new Rigify horse in the current scene."""
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper

from . import files, ml_rig, retarget, rig


class KINEQUIMATION_OT_import_clip(bpy.types.Operator, ImportHelper):
    """Put a motion clip on a new Rigify horse: its controls are keyed, and can be edited"""
    bl_idname = "import_anim.kinequimation_clip"
    bl_label = "Import horse motion clip"
    bl_options = {"REGISTER", "UNDO"}
    filename_ext = ".npz"
    filter_glob: bpy.props.StringProperty(default="*.npz", options={"HIDDEN"})
    bare_skeleton: bpy.props.BoolProperty(name="Bare skeleton too", description="Also make ML_rig, which follows the clip exactly and has no controls", default=True)

    def execute(self, context):
        try:
            skeleton = files.read_skeleton(files.find_skeleton())
            clip = files.read_clip(self.filepath, skeleton)  # before anything in the scene is changed
            self.build(context.scene, skeleton, clip)
        except (files.ClipError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def build(self, scene, skeleton, clip):
        if bpy.context.object and bpy.context.object.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        frames, name = np.arange(len(clip["rotation"])) + scene.frame_start, Path(self.filepath).stem
        scene.render.fps = max(1, round(clip["meta"]["fps"]))
        scene.render.fps_base = scene.render.fps / clip["meta"]["fps"]
        scene.frame_end = int(frames[-1])
        horse = rig.build_rig()
        retarget.retarget(horse, skeleton, clip, retarget.read_mapping(), frames, name)
        if self.bare_skeleton:
            bare = ml_rig.build_ml_rig(skeleton)
            ml_rig.pose_ml_rig(bare, skeleton, clip, frames, name + "_ML")
            bare.hide_set(True)
        bpy.context.view_layer.objects.active = horse


def menu(self, context):
    self.layout.operator(KINEQUIMATION_OT_import_clip.bl_idname, text="Horse motion clip (.npz)")


def register():
    bpy.utils.register_class(KINEQUIMATION_OT_import_clip)
    bpy.types.TOPBAR_MT_file_import.append(menu)


def unregister():
    bpy.types.TOPBAR_MT_file_import.remove(menu)
    bpy.utils.unregister_class(KINEQUIMATION_OT_import_clip)
