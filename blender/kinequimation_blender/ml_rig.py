# SPDX-License-Identifier: GPL-3.0-or-later
"""`ML_rig`: the bare skeleton, one bone for each DEF bone, posed by a clip's rotations and nothing else."""
import bpy
import numpy as np
from mathutils import Matrix

from . import keys
from .files import ClipError
from .maths import continuous


def build_ml_rig(skeleton, name="ML_rig"):
    """An armature object with the rest pose and roll of the skeleton, no constraints, linked to the scene."""
    data = bpy.data.armatures.new(name)
    obj = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    made = []
    for i, bone_name in enumerate(skeleton["names"]):
        bone = data.edit_bones.new("DEF-" + bone_name)
        bone.head, bone.tail = skeleton["head"][i], skeleton["tail"][i]
        bone.matrix = Matrix(skeleton["matrix_local"][i])  # roll exactly as it was, head and length kept
        bone.use_connect = False
        if skeleton["parents"][i] >= 0:
            bone.parent = made[skeleton["parents"][i]]
        made.append(bone)
    bpy.ops.object.mode_set(mode="OBJECT")
    data.display_type = "STICK"
    return obj


def check(obj, skeleton, within_m=1e-3):
    """The armature has every bone of the skeleton, at rest where it should be; or an error that names the first that isn't."""
    for i, name in enumerate(skeleton["names"]):
        bone = obj.data.bones.get("DEF-" + name)
        if bone is None:
            raise ClipError(f"Expected {obj.name} to have the bone DEF-{name}, but it hasn't. Build it from the skeleton file with build_ml_rig.py.")
        if np.abs(np.array(bone.matrix_local) - skeleton["matrix_local"][i]).max() > within_m:
            raise ClipError(f"Expected {obj.name} at rest as the skeleton file has it, but DEF-{name} lies otherwise. Build it from the skeleton file with build_ml_rig.py.")


def pose_ml_rig(obj, skeleton, clip, frames, action_name):
    """The clip as one action: a quaternion a bone, and the root bone's location."""
    bag = keys.new_action(obj, action_name)
    rotation = continuous(clip["rotation"].astype(float))
    for i, name in enumerate(skeleton["names"]):
        obj.pose.bones["DEF-" + name].rotation_mode = "QUATERNION"
        keys.write(bag, keys.bone_path("DEF-" + name, "rotation_quaternion"), frames, rotation[:, i], "DEF-" + name)
    # a bone's location counts from its rest position, along its own rest axes
    rest = skeleton["matrix_local"][0]
    location = (clip["root_location"] - rest[:3, 3]) @ rest[:3, :3]
    root = "DEF-" + skeleton["names"][0]
    keys.write(bag, keys.bone_path(root, "location"), frames, np.asarray(location), root)
