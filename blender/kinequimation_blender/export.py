# SPDX-License-Identifier: GPL-3.0-or-later
"""Out to other programs: FBX, glTF, USD, BVH and Alembic of the bare skeleton that deforms the horse, and of the mesh on it.

The skeleton is baked into a scene of its own, in the unit and under the names that the other program wants, and that scene is
exported and removed: what one works on stays as it was.
"""
import contextlib
import dataclasses
import struct
import tempfile
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from . import bvh, keys
from .files import ClipError, atomic_path
from .maths import continuous, matrix_to_quat
from .motion import ROOTS, bake, deforming_meshes, points_of, safe, scene_fps, scene_frames, with_root
from .scene import bind


@dataclasses.dataclass(frozen=True)
class Target:
    """What another program takes."""
    label: str
    unit_m: float = 1.0    # length of the file's unit
    root: str = "none"     # see motion.with_root
    safe_names: bool = False
    from_zero: bool = True  # the first frame is 0, not the scene's
    armature: str = "Armature"
    fbx: tuple = ()        # further settings of the FBX exporter


TARGETS = {
    "blender": Target("Blender", from_zero=False, armature="ML_rig"),
    # centimetres, or the root bone would carry a scale of 100; Unreal drops an object called Armature and makes `root` the root
    "unreal": Target("Unreal Engine", unit_m=0.01, root="bone", safe_names=True),
    # the unit goes into the file's header, so that the object's scale in Unity is 1
    "unity": Target("Unity", root="bone", fbx=(("apply_scale_options", "FBX_SCALE_ALL"),)),
    "maya": Target("Maya", unit_m=0.01, root="bone", safe_names=True),
}


def write(path, armature, skeleton, target="blender", root=None, meshes=None, frames=None, name=None, motion=None):
    """Exports the armature's motion in the format that the path's suffix says; raises `ClipError`.

    `root` is the target's own unless given; `meshes` are those that the armature deforms, () for the skeleton alone;
    `motion` is baked from the armature unless it is known.
    """
    check(path, target, root)
    path, target = Path(path), TARGETS[target]
    frames = scene_frames(bpy.context.scene) if frames is None else np.asarray(frames)
    meshes = deforming_meshes(armature) if meshes is None else list(meshes)
    with frame_kept():
        motion = motion or bake(armature, skeleton, frames, scene_fps(bpy.context.scene))
        if path.suffix.lower() in CARRY_POINTS:
            motion = dataclasses.replace(motion, points=points_of(meshes, frames))
        motion = with_root(motion, armature, skeleton, frames, root or target.root)
    if target.safe_names:
        motion = dataclasses.replace(motion, names=[safe(n) for n in motion.names])
    with atomic_path(path) as partial:
        WRITERS[path.suffix.lower()](partial, motion, meshes, target, 0 if target.from_zero else int(frames[0]), name or action_name(armature))
        if not partial.exists() or partial.stat().st_size == 0:
            raise ClipError(f"Could not write {path}: nothing came out. Is there room on the disk?")


def check(path, target, root=None):
    """Raises `ClipError` for a format, a target or a root that there isn't, before anything is done."""
    if Path(path).suffix.lower() not in WRITERS:
        raise ClipError(f"Expected a file ending in {', '.join(WRITERS)}, but got {Path(path).name}.")
    if target not in TARGETS:
        raise ClipError(f"Expected a target out of {', '.join(TARGETS)}, but got {target}.")
    if root is not None and root not in ROOTS:
        raise ClipError(f"Expected the root to be one of {', '.join(ROOTS)}, but got {root}.")
    if not Path(path).resolve().parent.is_dir():
        raise ClipError(f"Expected a folder to write into, but {Path(path).resolve().parent} is none.")


def action_name(armature):
    data = armature.animation_data
    return data.action.name if data and data.action else armature.name


@contextlib.contextmanager
def frame_kept():
    scene = bpy.context.scene
    frame = scene.frame_current
    try:
        yield
    finally:
        scene.frame_set(frame)


# One writer a format

def write_fbx(path, motion, meshes, target, first, name):
    """One take, no leaf bones, no key thinned out; bones keep Blender's axes (Y along the bone)."""
    with workshop(motion, meshes, target, first, name):
        armature = build(motion, target, first, name)
        at_rest_before(armature, motion, first)
        on_armature(meshes, armature, motion, target)
        quietly(bpy.ops.export_scene.fbx, filepath=str(path), object_types={"ARMATURE", "MESH"}, add_leaf_bones=False, primary_bone_axis="Y", secondary_bone_axis="X",
                axis_forward="-Z", axis_up="Y", bake_anim=True, bake_anim_use_nla_strips=False, bake_anim_use_all_actions=False, bake_anim_simplify_factor=0.0,
                bake_anim_force_startend_keying=True, use_mesh_modifiers=False, mesh_smooth_type="FACE", use_armature_deform_only=False, **dict(target.fbx))


def write_glb(path, motion, meshes, target, first, name):
    """The skinned mesh and one animation, called as the scene is, which begins at 0 s. glTF's unit is the metre, whatever the target's is.

    The whole scene is sampled, not its action: Blender 4.2 now and then samples an action that stands still.
    """
    target, first = dataclasses.replace(target, unit_m=1.0), max(first, 1)  # Blender 4.2 loses a frame 0
    with workshop(motion, meshes, target, first, name):
        armature = build(motion, target, first, name)
        on_armature(meshes, armature, motion, target)
        quietly(bpy.ops.export_scene.gltf, filepath=str(path), export_format="GLB", use_active_scene=True, export_animations=True, export_animation_mode="SCENE", export_anim_scene_split_object=False,
                export_frame_range=True, export_force_sampling=True, export_anim_slide_to_zero=True, export_optimize_animation_size=False,
                export_skins=True, export_cameras=False, export_lights=False)


def write_usd(path, motion, meshes, target, first, name):
    """A UsdSkel skeleton with its animation, and the mesh bound to it; Y up, metres, and the header says so: readers convert."""
    target = dataclasses.replace(target, unit_m=1.0)
    with workshop(motion, meshes, target, first, name):
        armature = build(motion, target, first, name)
        on_armature(meshes, armature, motion, target)
        quietly(bpy.ops.wm.usd_export, filepath=str(path), export_animation=True, export_armatures=True, only_deform_bones=False, export_hair=False, export_lights=False,
                export_cameras=False, convert_world_material=False, convert_orientation=True, export_global_forward_selection="NEGATIVE_Z", export_global_up_selection="Y")


def write_abc(path, motion, meshes, target, first, name):
    """Alembic knows no bones: a transform for each bone, one below the other, and the mesh's points in every frame as they are seen in Blender."""
    with tempfile.TemporaryDirectory(prefix="kinequimation-") as folder, workshop(motion, meshes, target, first, name) as scene:
        transforms(motion, target, first)
        for i, mesh in enumerate(meshes):
            from_points(mesh, motion.points[mesh.name.removesuffix(KEPT)] / target.unit_m, first, Path(folder) / f"{i}.pc2")
        quietly(bpy.ops.wm.alembic_export, filepath=str(path), start=scene.frame_start, end=scene.frame_end, flatten=False, export_hair=False, export_particles=False,
                uvs=True, packuv=False, vcolors=True, as_background_job=False, evaluation_mode="RENDER")


def write_bvh(path, motion, meshes, target, first, name):
    bvh.write(path, motion, 1 / target.unit_m)


WRITERS = {".fbx": write_fbx, ".glb": write_glb, ".usd": write_usd, ".usdc": write_usd, ".usda": write_usd, ".bvh": write_bvh, ".abc": write_abc}
CARRY_POINTS = {".abc"}


def quietly(operator, **settings):
    """Runs an exporter with the settings that this version of Blender knows."""
    known = operator.get_rna_type().properties.keys()
    return operator(**{k: v for k, v in settings.items() if k in known})


# The scene that is exported

KEPT = " (kept)"
KINDS = ("objects", "armatures", "meshes", "actions", "scenes", "materials")


@contextlib.contextmanager
def workshop(motion, meshes, target, first, name):
    """A new scene called `name`, active while inside; all that was made in it is gone afterwards."""
    meshes, window, before = list(meshes), bpy.context.window, {kind: set(getattr(bpy.data, kind)) for kind in KINDS}
    home, old_name = bpy.context.scene, bpy.context.scene.name
    if bpy.context.object and bpy.context.object.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    home.name = old_name + KEPT  # the take is called after the scene
    scene = bpy.data.scenes.new(name)
    scene.render.fps, scene.render.fps_base = home.render.fps, home.render.fps_base
    scene.unit_settings.system, scene.unit_settings.scale_length = "METRIC", target.unit_m
    scene.frame_start, scene.frame_end = first, first + len(motion.world) - 1
    try:
        window.scene = scene
        with names_free(target.armature, *motion.names, *(m.name for m in meshes), *(m.data.name for m in meshes)):
            yield scene
            window.scene = home
            remove_new(before)
    finally:
        window.scene = home
        remove_new(before)
        home.name = old_name


def remove_new(before):
    new = [item for kind in KINDS for item in getattr(bpy.data, kind) if item not in before[kind]]
    if new:
        bpy.data.batch_remove(new)


@contextlib.contextmanager
def names_free(*names):
    """Objects, armatures and meshes that bear these names have others meanwhile: no `.001` goes out."""
    kept = [(item, item.name) for kind in (bpy.data.objects, bpy.data.armatures, bpy.data.meshes) for item in kind if item.name in names and item.library is None]
    try:
        for item, name in kept:
            item.name = name + KEPT
        yield
    finally:
        for item, name in kept:
            item.name = name


def build(motion, target, first, name):
    """The skeleton as an armature in the current scene, in the target's unit, with one action."""
    size, data = 1 / target.unit_m, bpy.data.armatures.new(target.armature)
    armature = bpy.data.objects.new(target.armature, data)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    made = []
    for bone_name, parent, rest, tail in zip(motion.names, motion.parents, motion.rest, motion.tail):
        bone = data.edit_bones.new(bone_name)
        bone.head, bone.tail = size * rest[:3, 3], size * tail
        matrix = rest.copy()
        matrix[:3, 3] *= size
        bone.matrix = Matrix(matrix)  # roll exactly as it was
        bone.use_connect = False
        if parent >= 0:
            bone.parent = made[parent]
        made.append(bone)
    bpy.ops.object.mode_set(mode="OBJECT")
    pose(armature, motion, size, first, name)
    return armature


def pose(armature, motion, size, first, name):
    """Keys at every frame: each bone's turn, and its shift where it has one."""
    basis, frames = motion.basis(), np.arange(first, first + len(motion.world))
    bag, turn, shift = keys.new_action(armature, name), continuous(matrix_to_quat(basis[..., :3, :3])), basis[..., :3, 3]
    for b, bone in enumerate(motion.names):
        armature.pose.bones[bone].rotation_mode = "QUATERNION"
        keys.write(bag, keys.bone_path(bone, "rotation_quaternion"), frames, turn[:, b], bone)
        if np.abs(shift[:, b]).max() > 1e-6:
            keys.write(bag, keys.bone_path(bone, "location"), frames, size * shift[:, b], bone)


def curves(obj):
    """The curves of an object's action, which Blender 4.4 moved into slots."""
    action = obj.animation_data.action
    if hasattr(action, "layers"):
        return action.layers[0].strips[0].channelbag(obj.animation_data.action_slot).fcurves
    return action.fcurves


def at_rest_before(armature, motion, first):
    """A frame before the first shows the rest pose, and is where the scene stands: an FBX without a skin takes the bones' rest from there."""
    for curve in curves(armature):
        rest = 1.0 if curve.data_path.endswith("rotation_quaternion") and curve.array_index == 0 else 0.0
        key = curve.keyframe_points.insert(first - 1, rest, options={"FAST"})
        key.interpolation = "CONSTANT"
        curve.update()
    bpy.context.scene.frame_set(first - 1)


def on_armature(meshes, armature, motion, target):
    """Copies of the meshes, bound to the armature under its names and in its unit; they bear the meshes' own names."""
    for mesh in meshes:
        copy = mesh.copy()
        copy.data = mesh.data.copy()
        copy.name, copy.data.name = mesh.name.removesuffix(KEPT), mesh.data.name.removesuffix(KEPT)
        bpy.context.scene.collection.objects.link(copy)
        copy.animation_data_clear()
        copy.data.transform(Matrix.Scale(1 / target.unit_m, 4) @ mesh.matrix_world)
        copy.parent, copy.matrix_world = None, Matrix()
        for group in copy.vertex_groups:
            if safe(group.name) in motion.names:
                group.name = safe(group.name)
        copy.modifiers.clear()
        bind(copy, armature)


def from_points(mesh, points, first, path):
    """A copy of the mesh whose points (T,V,3) come from a file, which lives as long as the export does."""
    data = mesh.data.copy()
    if len(data.vertices) != points.shape[1]:  # a modifier makes more of them
        data = bpy.data.meshes.new_from_object(mesh.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    copy = bpy.data.objects.new(mesh.name.removesuffix(KEPT), data)
    data.name = mesh.data.name.removesuffix(KEPT)
    bpy.context.scene.collection.objects.link(copy)
    with open(path, "wb") as file:  # the PC2 format: a head of 32 bytes, then the numbers
        file.write(struct.pack("<12siiffi", b"POINTCACHE2\0", 1, points.shape[1], 0.0, 1.0, len(points)))
        file.write(np.ascontiguousarray(points, "<f4").tobytes())
    modifier = copy.modifiers.new("Points", "MESH_CACHE")
    modifier.cache_format, modifier.filepath, modifier.frame_start, modifier.interpolation = "PC2", str(path), first, "NONE"
    modifier.forward_axis, modifier.up_axis, modifier.deform_mode = "POS_Y", "POS_Z", "OVERWRITE"


def transforms(motion, target, first):
    """An empty for each bone, where the bone is, keyed against its parent's."""
    made, size, frames = [], 1 / target.unit_m, np.arange(first, first + len(motion.world))
    local = motion.local(motion.world)
    turn = continuous(matrix_to_quat(local[..., :3, :3]))
    for b, (name, parent) in enumerate(zip(motion.names, motion.parents)):
        empty = bpy.data.objects.new(name, None)
        bpy.context.scene.collection.objects.link(empty)
        empty.rotation_mode, empty.parent = "QUATERNION", made[parent] if parent >= 0 else None
        bag = keys.new_action(empty, name)
        keys.write(bag, "location", frames, size * local[:, b, :3, 3])
        keys.write(bag, "rotation_quaternion", frames, turn[:, b])
        made.append(empty)
    return made
