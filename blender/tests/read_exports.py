# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports exported files, each into an empty Blender, and writes where every bone (Alembic: every transform) is in each frame.

    python blender/tests/read_exports.py FPS file... ; beside each file comes FILE.npz. `FILE@0.01` says the unit where the file can't (BVH, Alembic).
"""
import json
import sys
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from kinequimation_blender import child
from kinequimation_blender.export import curves, quietly

BONES_AS_WRITTEN = dict(use_manual_orientation=False, automatic_bone_orientation=False, primary_bone_axis="Y", secondary_bone_axis="X")
IMPORTERS = {
    ".fbx": ("import_scene.fbx", BONES_AS_WRITTEN), ".glb": ("import_scene.gltf", dict(bone_heuristic="BLENDER")), ".usd": ("wm.usd_import", dict(import_skeletons=True, apply_unit_conversion_scale=True)),
    ".bvh": ("import_anim.bvh", dict(update_scene_fps=True, update_scene_duration=True)), ".abc": ("wm.alembic_import", dict(set_frame_range=True, as_background_job=False))}


def main():
    fps = float(sys.argv[1])
    for name in sys.argv[2:]:
        path, unit = Path(name.partition("@")[0]), float(name.partition("@")[2] or 1)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = bpy.context.scene
        scene.render.fps, scene.render.fps_base = round(fps), round(fps) / fps  # glTF and Alembic count in seconds: the reader's rate is what makes frames
        if path.suffix == ".blend":
            bpy.ops.wm.open_mainfile(filepath=str(path), use_scripts=False)
            seen = bones(bpy.context.scene, path)
            plain_skin()
            np.savez(str(path) + ".npz", **seen, plain=bones(bpy.context.scene, path)["vertices"])
            continue
        (group, name), settings = IMPORTERS[path.suffix][0].split("."), dict(IMPORTERS[path.suffix][1])
        if unit != 1:
            settings["scale" if path.suffix == ".abc" else "global_scale"] = unit
        if path.suffix in (".fbx", ".bvh"):
            scene.render.fps, scene.render.fps_base = 50, 1.0  # these say their rate
        quietly(getattr(getattr(bpy.ops, group), name), filepath=str(path), **settings)
        np.savez(str(path) + ".npz", **(transforms if path.suffix == ".abc" else bones)(scene, path))
        child.report(stage=path.name)


def bones(scene, path):
    """Of the armature, or in our own scene of the control rig: its bones that deform."""
    obj = bpy.data.objects["rig"] if path.suffix == ".blend" else next(o for o in bpy.data.objects if o.type == "ARMATURE")
    pose = [b for b in obj.pose.bones if b.name.startswith("DEF-") or path.suffix != ".blend"]
    names, rest = [b.name for b in pose], [obj.matrix_world @ b.bone.matrix_local for b in pose]
    times = range(scene.frame_start, scene.frame_end + 1) if path.suffix in (".usd", ".blend") else key_times(obj)
    world, vertices = [], []
    for time in times:
        scene.frame_set(int(time), subframe=float(time % 1))
        world.append([obj.matrix_world @ b.matrix for b in pose])
        vertices.append(points())
    return pack(scene, names, world, vertices, times, rest=np.array(rest), takes=[a.name for a in bpy.data.actions],
                parents=[b.parent.name if b.parent else "" for b in pose], objects=[o.name for o in bpy.data.objects])


def transforms(scene, path):
    empties = [o for o in bpy.data.objects if o.type == "EMPTY"]
    world, vertices = [], []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        world.append([o.matrix_world.copy() for o in empties])
        vertices.append(points())
    return pack(scene, [o.name for o in empties], world, vertices, range(scene.frame_start, scene.frame_end + 1), parents=[o.parent.name if o.parent else "" for o in empties], takes=[])


def plain_skin():
    """As programs without bendy bones and volume-preserving skins have it."""
    for bone in bpy.data.objects["rig"].data.bones:
        bone.bbone_segments = 1
    for modifier in bpy.data.objects["Horse"].modifiers:
        modifier.use_deform_preserve_volume = False


def key_times(obj):
    """Where the keys are. Blender's FBX importer counts frames with the rate rounded (30 for 29.97), so that they need not be whole."""
    co = np.empty(2 * max(len(c.keyframe_points) for c in curves(obj)), np.float32)
    max(curves(obj), key=lambda c: len(c.keyframe_points)).keyframe_points.foreach_get("co", co)
    return co[::2]


def points():
    """(V,3) of the largest mesh that is in the scene, as it is in this frame."""
    meshes = sorted((o for o in bpy.context.scene.objects if o.type == "MESH"), key=lambda o: -len(o.data.vertices))
    if not meshes:
        return np.zeros((0, 3))
    graph = bpy.context.evaluated_depsgraph_get()
    obj = meshes[0].evaluated_get(graph)
    mesh = obj.to_mesh()
    co = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", co)
    matrix = np.array(obj.matrix_world)
    obj.to_mesh_clear()
    return co.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def pack(scene, names, world, vertices, times, rest=None, **meta):
    meta.update(names=names, fps=scene.render.fps / scene.render.fps_base, whole_fps=scene.render.fps, times=list(map(float, times)))
    return dict(world=np.array(world, float), vertices=np.array(vertices, np.float32), meta=json.dumps(meta), **({} if rest is None else {"rest": rest}))


child.run(main)
