# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a .blend, .bvh, .fbx or .glb in a fresh Blender, scripts off, and writes the heads of its armature's bones for each frame.

    python blender/tests/read_back.py scene.blend out.npz [object]
"""
import json
import sys
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from kinequimation_blender import child

IMPORTERS = {".bvh": "import_anim.bvh", ".fbx": "import_scene.fbx", ".glb": "import_scene.gltf"}


def main():
    path, out, *names = sys.argv[1:]
    suffix = Path(path).suffix
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if suffix == ".blend":
        bpy.ops.wm.open_mainfile(filepath=path, use_scripts=False)
    else:
        group, name = IMPORTERS[suffix].split(".")
        settings = {"update_scene_fps": True, "update_scene_duration": True} if suffix == ".bvh" else {}
        bpy.context.scene.render.fps = 25  # glTF knows seconds, and the importer makes frames of them
        getattr(getattr(bpy.ops, group), name)(filepath=path, **settings)
    armatures = [o for o in bpy.data.objects if o.type == "ARMATURE"]
    obj = bpy.data.objects[names[0]] if names else armatures[0]
    np.savez(out, **read(obj, suffix == ".blend"))


def read(obj, ours):
    scene, bones = bpy.context.scene, [b for b in obj.pose.bones if b.name.startswith("DEF-")]
    action = obj.animation_data.action
    first, last = (scene.frame_start, scene.frame_end) if ours else map(round, action.frame_range)
    heads, matrices = [], []
    for frame in range(first, last + 1):
        scene.frame_set(frame)
        heads.append([obj.matrix_world @ b.head for b in bones])
        matrices.append([obj.matrix_world @ b.matrix for b in bones])
    meshes = [o for o in bpy.data.objects if o.type == "MESH" and any(m.type == "ARMATURE" and m.object == obj for m in o.modifiers)]
    drivers = [d for owner in (*bpy.data.objects, *bpy.data.armatures) if owner.animation_data for d in owner.animation_data.drivers]
    meta = {"drivers": len(drivers), "broken_drivers": [d.data_path for d in drivers if not d.is_valid or not d.driver.is_valid],
            "bones": [b.name.removeprefix("DEF-") for b in bones], "fps": scene.render.fps / scene.render.fps_base, "actions": [a.name for a in bpy.data.actions],
            "objects": {o.name: o.type for o in bpy.data.objects}, "constraints": sum(len(b.constraints) for b in obj.pose.bones), "parents": [b.parent.name.removeprefix("DEF-") if b.parent else "" for b in bones],
            "vertices": sum(len(m.data.vertices) for m in meshes), "markers": {m.name: m.frame for m in scene.timeline_markers},
            "images": {i.name: i.filepath for i in bpy.data.images}, "camera": camera(scene), "hidden": [o.name for o in bpy.data.objects if o.hide_get()] if ours else []}
    return {"heads": np.array(heads, float), "matrices": np.array(matrices, float), "meta": json.dumps(meta)}


def camera(scene):
    if scene.camera is None:
        return {}
    data = scene.camera.data
    return {"lens": data.lens, "sensor": data.sensor_width, "matrix": [list(r) for r in scene.camera.matrix_world], "backgrounds": len(data.background_images),
            "size": [scene.render.resolution_x, scene.render.resolution_y]}


child.run(main)
