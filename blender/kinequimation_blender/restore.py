# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene as it was: what a retargeting that is given up, or fails midway, takes back."""
import bpy

from . import scene

KINDS = ("objects", "armatures", "meshes", "collections", "actions", "materials", "texts")


class Before:
    """Remembers the scene, the armature (or None) and what there is at all, until `restore`."""

    def __init__(self, context, armature):
        this = context.scene
        self.this, self.armature, self.active = this, armature, context.view_layer.objects.active
        self.there = {kind: set(getattr(bpy.data, kind)) for kind in KINDS}
        self.time = {name: getattr(this, name) for name in ("frame_start", "frame_end")}
        self.rate, self.now = (this.render.fps, this.render.fps_base), this.frame_current
        self.markers = [(m.name, m.frame) for m in this.timeline_markers if m.name in scene.FEET]
        self.animation = action_of(armature) if armature else None
        self.bones = [bone_state(bone) for bone in armature.pose.bones] if armature else []
        self.mutes = [(c, c.mute) for bone in armature.pose.bones for c in bone.constraints] if armature else []

    def restore(self):
        this = self.this
        for kind in KINDS:  # objects first, then what they were made of
            bpy.data.batch_remove([thing for thing in getattr(bpy.data, kind) if thing not in self.there[kind]])
        this.render.fps, this.render.fps_base = self.rate
        for name, value in self.time.items():
            setattr(this, name, value)
        for marker in [m for m in this.timeline_markers if m.name in scene.FEET]:
            this.timeline_markers.remove(marker)
        for name, frame in self.markers:
            this.timeline_markers.new(name, frame=frame)
        if self.armature:
            self.restore_armature()
        this.view_layers[0].objects.active = self.active
        this.frame_set(self.now)

    def restore_armature(self):
        for constraint, mute in self.mutes:
            constraint.mute = mute
        set_action(self.armature, *self.animation)
        for bone, state in zip(self.armature.pose.bones, self.bones):
            bone.rotation_mode, bone.lock_rotation, bone.ik_stretch, bone.matrix_basis = state[:4]
            for name, value in state[4].items():
                bone[name] = value
        self.armature.update_tag()


def bone_state(bone):
    """Mode, locks, stretch, pose and the custom properties that are plain values."""
    return bone.rotation_mode, tuple(bone.lock_rotation), bone.ik_stretch, bone.matrix_basis.copy(), {k: v for k, v in bone.items() if isinstance(v, (bool, int, float))}


def action_of(armature):
    data = armature.animation_data
    return (data.action, getattr(data, "action_slot", None), {track.name: track.mute for track in data.nla_tracks}) if data else (None, None, {})


def set_action(armature, action, slot, tracks):
    data = armature.animation_data
    if data is None:
        return
    data.action = action
    if slot is not None:
        data.action_slot = slot
    for track in data.nla_tracks:
        track.mute = tracks.get(track.name, track.mute)
    if action is None:
        armature.animation_data_clear() if not data.nla_tracks and not data.drivers else None
