# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes out: the bones that deform the horse and where they are in every frame, free of controls, constraints and scale.

Taken from the evaluated armature, so that what an animator has changed since goes out too.
"""
import dataclasses
import re

import bpy
import numpy as np

from .files import ClipError
from .maths import inverse, pure_rotation, rigid
from .retarget import evaluate, ground_path, read_mapping

ROOT = "root"
ROOTS = ("bone", "none", "in_place")


@dataclasses.dataclass
class Motion:
    """Bones, parents before children; matrices are the world's, metres, Z up."""
    names: list
    parents: list
    rest: np.ndarray   # (B,4,4)
    tail: np.ndarray   # (B,3) at rest
    world: np.ndarray  # (T,B,4,4)
    fps: float
    points: dict = dataclasses.field(default_factory=dict)  # mesh name -> (T,V,3), where a format carries points

    def local(self, matrices):
        """(...,B,4,4) against the parent's."""
        parents = np.array(self.parents)
        above = np.where((parents < 0)[:, None, None], np.eye(4), matrices[..., np.maximum(parents, 0), :, :])
        return inverse(above) @ matrices

    def basis(self):
        """(T,B,4,4) what Blender calls a bone's pose: its turn and shift from rest, along its own axes."""
        return inverse(self.local(self.rest)) @ self.local(self.world)

    def children(self, bone):
        return [b for b, parent in enumerate(self.parents) if parent == bone]


def bake(armature, skeleton, frames, fps):
    """The motion of the armature's DEF bones, in the tree of the skeleton file, at rest as this armature is."""
    names = ["DEF-" + n for n in skeleton["names"]]
    missing = [n for n in names if n not in armature.data.bones]
    if missing:
        raise ClipError(f"Expected {armature.name} to have the bone {missing[0]}, but it hasn't ({len(missing)} of {len(names)} are missing). Choose Rigify's horse, or ML_rig.")
    if len(frames) == 0:
        raise ClipError("Expected at least one frame to export, but the scene's range is empty. Set its end after its start.")
    world, bones = np.array(armature.matrix_world), [armature.data.bones[n] for n in names]
    rest = rigid_of(world @ np.array([bone.matrix_local for bone in bones]))
    tail = np.array([bone.tail_local for bone in bones]) @ world[:3, :3].T + world[:3, 3]
    return Motion(names, list(skeleton["parents"]), rest, tail, rigid_of(evaluate(armature, names, frames)), fps)


def of_source(skeleton, source, fps):
    """The motion of a clip's bones, whose world matrices (T,B,4,4) are known."""
    return Motion(["DEF-" + n for n in skeleton["names"]], list(skeleton["parents"]), skeleton["matrix_local"], skeleton["tail"], source, fps)


def points_of(meshes, frames):
    """Where each mesh's points are as they are seen in the scene, bendy bones, all modifiers and all: name -> (T,V,3)."""
    out = {mesh.name: [] for mesh in meshes}
    for frame in frames:
        bpy.context.scene.frame_set(int(frame))
        graph = bpy.context.evaluated_depsgraph_get()
        for mesh in meshes:
            out[mesh.name].append(evaluated_points(mesh.evaluated_get(graph)))
    for name, rows in out.items():
        if len({len(row) for row in rows}) > 1:
            raise ClipError(f"Expected {name} to have the same points in every frame, but it has {len(rows[0])} and others. Switch off what changes them (a modifier).")
    return {name: np.array(rows) for name, rows in out.items()}


def evaluated_points(obj):
    mesh = obj.to_mesh()
    co = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", co)
    obj.to_mesh_clear()
    matrix = np.array(obj.matrix_world)
    return co.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def rigid_of(matrices):
    """Without scale: what stretches in Blender only turns and shifts elsewhere."""
    return rigid(pure_rotation(matrices[..., :3, :3]), matrices[..., :3, 3])


def with_root(motion, armature, skeleton, frames, root):
    """`bone`: a bone on the ground carries the path, as engines' root motion wants it. `in_place`: the path is taken out. `none`: as it is."""
    if root == "none":
        return motion
    path = ground(motion, armature, skeleton, frames)
    if root == "in_place":
        back = inverse(path)
        points = {name: at @ np.swapaxes(back[:, :3, :3], -1, -2) + back[:, None, :3, 3] for name, at in motion.points.items()}
        return dataclasses.replace(motion, world=back[:, None] @ motion.world, points=points)
    parents = [0 if p < 0 else p + 1 for p in motion.parents]
    return Motion([ROOT, *motion.names], [-1, *parents], np.concatenate([np.eye(4)[None], motion.rest]), np.concatenate([[[0, 0.3, 0]], motion.tail]),
                  np.concatenate([path[:, None], motion.world], 1), motion.fps, motion.points)


def ground(motion, armature, skeleton, frames):
    """(T,4,4) how the place on the ground under the horse moves: as the rig's own `root` control does, or else the smoothed path of the back."""
    if ROOT in armature.data.bones:
        rest = np.array(armature.matrix_world) @ np.array(armature.data.bones[ROOT].matrix_local)
        return rigid_of(evaluate(armature, [ROOT], frames)[:, 0] @ np.linalg.inv(rest))
    own = dict(skeleton, head=motion.rest[:, :3, 3])
    path, heading = ground_path(own, motion.world, read_mapping()["root"], motion.fps)
    cos, sin, none = np.cos(heading), np.sin(heading), 0 * heading
    turn = np.stack([cos, -sin, none, sin, cos, none, none, none, none + 1], -1).reshape(-1, 3, 3)
    return rigid(turn, path)


def safe(name):
    """A name that Maya and Unreal leave as it is: `DEF-thigh.L.001` -> `DEF_thigh_L_001`."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def scene_frames(scene):
    return np.arange(scene.frame_start, scene.frame_end + 1)


def scene_fps(scene):
    return scene.render.fps / scene.render.fps_base


def deforming_meshes(armature):
    """The meshes that the armature deforms."""
    return [o for o in bpy.data.objects if o.type == "MESH" and any(m.type == "ARMATURE" and m.object == armature for m in o.modifiers)]
