# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene around the horse: the camera of the video, the video behind it, a floor, a light, frame range and rate."""
import contextlib
import io
import os
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from . import keys
from .files import ClipError
from .maths import continuous

SENSOR_MM = 36.0
FEET = ("LH", "LF", "RH", "RF")


def new_scene(fps, n_frames, first=1):
    """An empty file with the clip's rate and range; returns the frame numbers."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0  # no scene.blend1 beside scene.blend
    return set_range(fps, n_frames, first)


def add_camera(clip, frames, path):
    """The camera that saw the video, or one that goes beside the horse along `path` (T,3) where the clip knows of none."""
    data = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", data)
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.rotation_mode = "QUATERNION"
    width, height = clip["meta"].get("image_size") or (1280, 720)
    scene.render.resolution_x, scene.render.resolution_y = int(width), int(height)
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    data.lens = SENSOR_MM * (clip["meta"].get("focal_px") or 1.4 * width) / width
    data.clip_end = 1000
    location, rotation = (clip[k] for k in ("camera_location", "camera_rotation")) if "camera_location" in clip else beside(path, data.lens, width / height)
    rotation = continuous(np.asarray(rotation, float))
    camera.location, camera.rotation_quaternion = location[0], rotation[0]
    if np.ptp(location, 0).max() > 1e-6 or np.ptp(rotation, 0).max() > 1e-6:  # a still camera needs no keys
        bag = keys.new_action(camera, "Camera")
        keys.write(bag, "location", frames, location)
        keys.write(bag, "rotation_quaternion", frames, rotation)
    return camera


def beside(path, lens_mm, aspect, see_m=4.2):
    """From the horse's left and a little in front, at the horse's own pace; locations (T,3) and rotations (T,4) wxyz."""
    towards = np.array([1.0, -0.35, 0.12]) / np.linalg.norm([1.0, -0.35, 0.12])
    distance = max(see_m, 2.8 * aspect) * lens_mm / SENSOR_MM
    middle = np.asarray(path) * [1, 1, 0] + [0, -0.5, 0.95]
    turn = Vector(-towards).to_track_quat("-Z", "Y")
    return middle + towards * distance, np.tile(list(turn), (len(path), 1))


def add_background(camera, video, folder, frames):
    """The video behind the camera's view; its path is relative to `folder`, where the .blend will be."""
    image = bpy.data.images.load(str(Path(video).resolve()))
    image.name = Path(video).name
    background = camera.data.background_images.new()
    background.image = image
    background.alpha = 1.0
    background.display_depth = "BACK"
    background.frame_method = "STRETCH"  # the camera has the shape at which players show the film, whose pixels need not be square
    if image.source == "MOVIE":
        user = background.image_user
        user.frame_start, user.frame_duration, user.frame_offset = int(frames[0]), len(frames), 0
        user.use_auto_refresh = True
    image.filepath = relative_path(video, folder)
    camera.data.show_background_images = True


def relative_path(path, folder):
    """Blender's `//` path from `folder`, or the absolute path where there is no way between them (another drive)."""
    try:
        return "//" + Path(os.path.relpath(Path(path).resolve(), Path(folder).resolve())).as_posix()
    except ValueError:
        return str(Path(path).resolve())


def add_floor(around, behind_video):
    """A plane at z = 0 under the whole path; before a video it only catches shadows."""
    around = np.asarray(around)
    low, high = around[:, :2].min(0) - 60, around[:, :2].max(0) + 60
    mesh = bpy.data.meshes.new("Floor")
    mesh.from_pydata([(low[0], low[1], 0), (high[0], low[1], 0), (high[0], high[1], 0), (low[0], high[1], 0)], [], [(0, 1, 2, 3)])
    floor = bpy.data.objects.new("Floor", mesh)
    bpy.context.scene.collection.objects.link(floor)
    material = bpy.data.materials.new("Floor")
    material.diffuse_color = (0.34, 0.31, 0.27, 1)
    material.use_nodes = True
    shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = material.diffuse_color
    shader.inputs["Roughness"].default_value = 0.9
    mesh.materials.append(material)
    floor.hide_select = True
    if behind_video:
        floor.is_shadow_catcher = True
        floor.display_type = "WIRE"  # else it would stand before the video in the viewport
        bpy.context.scene.render.film_transparent = True
    return floor


def add_light():
    """A sun, and a pale sky."""
    data = bpy.data.lights.new("Sun", "SUN")
    data.energy, data.angle = 3.0, 0.05
    sun = bpy.data.objects.new("Sun", data)
    sun.rotation_euler = (0.7, 0.25, 0.9)
    sun.location = (0, 0, 5)
    bpy.context.scene.collection.objects.link(sun)
    world = bpy.data.worlds.new("World")
    bpy.context.scene.world = world
    world.color = (0.6, 0.7, 0.8)
    world.use_nodes = True
    background = next(n for n in world.node_tree.nodes if n.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.6, 0.7, 0.8, 1)
    background.inputs["Strength"].default_value = 0.6


def add_markers(contacts, frames):
    """A marker at every touch-down, named after the foot: LH, LF, RH, RF; in place of those of the clip before."""
    markers, contacts = bpy.context.scene.timeline_markers, np.asarray(contacts, bool)
    for marker in [m for m in markers if m.name in FEET]:
        markers.remove(marker)
    for t, foot in np.argwhere(contacts[1:] & ~contacts[:-1]):
        markers.new(FEET[foot], frame=int(frames[t + 1]))


def bind(mesh, armature):
    """The mesh follows the armature's DEF bones; its vertex groups bear their names."""
    mesh.parent = armature
    mesh.matrix_parent_inverse = Matrix()
    for modifier in [m for m in mesh.modifiers if m.type == "ARMATURE"]:
        mesh.modifiers.remove(modifier)
    modifier = mesh.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    return modifier


def paint(mesh, attribute):
    """A material that shows the mesh's colour attribute, in renders and in exports."""
    mesh.data.color_attributes.active_color = mesh.data.color_attributes[attribute]
    material = bpy.data.materials.new("Coat")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    shader = next(n for n in nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.6
    colour = nodes.new("ShaderNodeVertexColor")
    colour.layer_name = attribute
    colour.location = shader.location - Vector((250, 0))
    material.node_tree.links.new(colour.outputs["Color"], shader.inputs["Base Color"])
    material.diffuse_color = (0.22, 0.1, 0.05, 1)
    mesh.data.materials.append(material)


def show(rig, ml_rig):
    """What the animator sees first: the camera's view, the rig's main controls in front, the bare skeleton put away."""
    ml_rig.hide_set(True)
    ml_rig.hide_render = True
    rig.show_in_front = True
    for collection in rig.data.collections:
        if "(Tweak)" in collection.name or "(FK)" in collection.name or collection.name in {"Hair", "Face (Primary)"}:
            collection.is_visible = False
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                space = area.spaces.active
                space.region_3d.view_perspective = "CAMERA"
                space.shading.type = "SOLID"
                space.shading.color_type = "MATERIAL"
    bpy.context.scene.frame_set(bpy.context.scene.frame_start)


def save(path):
    """The .blend as it is now; paths in it are relative to where it will be, not to where it is written."""
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, compress=True, relative_remap=False)


def open_scene(path):
    """A .blend, opened without running what is written in it."""
    if not Path(path).is_file():
        raise ClipError(f"Expected a scene, but there is no {path}.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(Path(path).resolve()), use_scripts=False, load_ui=False)
    except RuntimeError:
        raise ClipError(f"Expected a Blender file, but {path} can't be read as one.") from None
    bpy.context.preferences.filepaths.save_version = 0


def armature(name=None):
    """The armature of that name in the scene; the only one if none is named."""
    found = {o.name: o for o in bpy.context.scene.objects if o.type == "ARMATURE"}
    if name in found:
        return found[name]
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    raise ClipError(f"Expected an armature{' called ' + name if name else ''} in the scene, but there is {', '.join(sorted(found)) or 'none'}. Name one of them.")


def set_range(fps, n_frames, first=None):
    """The scene's rate and range for a clip; returns the frame numbers."""
    scene = bpy.context.scene
    first = scene.frame_start if first is None else first
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps
    scene.frame_start, scene.frame_end = first, first + n_frames - 1
    return np.arange(first, first + n_frames)


def open_any(path):
    """A .blend, or an empty scene with a .glb, .gltf or .fbx read into it."""
    path = Path(path)
    if path.suffix.lower() == ".blend":
        return open_scene(path)
    if not path.is_file():
        raise ClipError(f"Expected a file with an armature, but there is no {path}.")
    read = {".glb": bpy.ops.import_scene.gltf, ".gltf": bpy.ops.import_scene.gltf, ".fbx": bpy.ops.import_scene.fbx}.get(path.suffix.lower())
    if read is None:
        raise ClipError(f"Expected a .glb, .gltf, .fbx or .blend, but got {path.name}.")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            read(filepath=str(path.resolve()))
    except RuntimeError as error:
        raise ClipError(f"Expected an armature in {path}, but it can't be read: {str(error).strip().splitlines()[-1]}") from None
