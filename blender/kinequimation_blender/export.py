# SPDX-License-Identifier: GPL-3.0-or-later
"""Out to other programs: FBX and glTF of the bare skeleton and of the mesh bound to it (BVH: bvh.py).

The bare skeleton has one root, no constraints and no scale: what game engines want, and what they would make of `rig` after
an hour of baking. It follows the clip exactly.
"""
import contextlib

import bpy

from .scene import bind


def export_fbx(path, ml_rig, meshes):
    """One take, no leaf bones, no key thinned out."""
    with bound_to(ml_rig, meshes) as copies, only_selected([ml_rig, *copies]):
        quietly(bpy.ops.export_scene.fbx, filepath=str(path), use_selection=True, object_types={"ARMATURE", "MESH"}, add_leaf_bones=False,
                bake_anim=True, bake_anim_use_nla_strips=False, bake_anim_use_all_actions=False, bake_anim_simplify_factor=0.0,
                use_mesh_modifiers=False, mesh_smooth_type="FACE")


def export_glb(path, ml_rig, meshes):
    """The skinned mesh and one animation."""
    with bound_to(ml_rig, meshes) as copies, only_selected([ml_rig, *copies]):
        quietly(bpy.ops.export_scene.gltf, filepath=str(path), export_format="GLB", use_selection=True, export_animations=True,
                export_animation_mode="ACTIVE_ACTIONS", export_frame_range=True, export_force_sampling=True, export_anim_slide_to_zero=True,
                export_optimize_animation_size=False, export_nla_strips_merged_animation_name=bpy.context.scene.name, export_skins=True, export_cameras=False, export_lights=False)


def quietly(operator, **settings):
    """Runs an exporter with the settings that this version of Blender knows."""
    known = operator.get_rna_type().properties.keys()
    return operator(**{k: v for k, v in settings.items() if k in known})


@contextlib.contextmanager
def bound_to(ml_rig, meshes):
    """Copies of the meshes on `ml_rig`, gone afterwards."""
    copies, names = [], [mesh.name for mesh in meshes]
    try:
        for mesh, name in zip(meshes, names):
            mesh.name = name + " on rig"  # the copy goes out under the mesh's own name
            copy = mesh.copy()  # shares its mesh data
            copy.name = name
            bpy.context.scene.collection.objects.link(copy)
            bind(copy, ml_rig)
            copies.append(copy)
        yield copies
    finally:
        for copy in copies:
            bpy.data.objects.remove(copy)
        for mesh, name in zip(meshes, names):
            mesh.name = name


@contextlib.contextmanager
def only_selected(objects):
    """Exporters take what is selected, and only what can be seen."""
    hidden = {o: (o.hide_get(), o.hide_viewport) for o in objects}
    bpy.ops.object.select_all(action="DESELECT")
    try:
        for obj in objects:
            obj.hide_viewport = False
            obj.hide_set(False)
            obj.select_set(True)
        bpy.context.view_layer.objects.active = objects[0]
        yield
    finally:
        for obj, (eye, viewport) in hidden.items():
            obj.select_set(False)
            obj.hide_viewport = viewport
            obj.hide_set(eye)
