# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks: kept in the scene, so that a file remembers it. And the preferences: where kinequimation is."""
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from . import jobs
from .export import TARGETS
from .retarget import MAPPINGS

FORMATS = [("FBX", "FBX", "Skeleton, skinned mesh and one take; engines and animation programs"), ("GLB", "glTF", "Skeleton, skinned mesh and one animation, in one file; the web and engines"),
           ("USD", "USD", "Skeleton, skinned mesh and animation; pipelines"), ("BVH", "BVH", "The skeleton's motion alone, as text"),
           ("ABC", "Alembic", "A transform for each bone, and the mesh's points in every frame")]
ROOTS = [("AUTO", "Its own", "A bone on the ground carries the path for engines and Maya; none for Blender"), ("BONE", "On ground", "A bone `root` carries the path"),
         ("NONE", "None", "The spine carries the path"), ("IN_PLACE", "In place", "The path is taken out")]


def is_armature(self, obj):
    return obj.type == "ARMATURE"


def mappings(self, context):
    """The mappings that come with the extension, and one of one's own."""
    mappings.kept = [(path.name, path.stem.replace("_", " ").capitalize(), f"Comes with the extension: {path.name}") for path in sorted(MAPPINGS.glob("*.json"))]
    mappings.kept.append(("FILE", "From a file", "A mapping of one's own"))
    return mappings.kept  # Blender does not keep these strings itself


class Settings(bpy.types.PropertyGroup):
    clip: StringProperty(name="Clip", description="Motion clip (.npz), as `kinequimation retarget` or `animate` writes it", subtype="FILE_PATH")
    video: StringProperty(name="Video", description="A film of a horse, to be animated by the installed kinequimation", subtype="FILE_PATH")
    folder: StringProperty(name="Folder", description="Where the files between go; beside the video if empty", subtype="DIR_PATH")
    withers_height: FloatProperty(name="Withers", description="The horse's height at the withers: it gives the scale", default=1.6, min=0.3, max=3.0, unit="LENGTH")
    rig: PointerProperty(name="Rig", description="The Rigify horse that is keyed; a new one if empty", type=bpy.types.Object, poll=is_armature)
    skin: BoolProperty(name="Skin", description="Put the horse's body on the rig", default=True)
    bare_skeleton: BoolProperty(name="Add ML_rig", description="Also make ML_rig, the bare skeleton, which follows the clip exactly and has no controls", default=False)
    mapping: EnumProperty(name="Mapping", description="Which control takes which bone's motion", items=mappings)
    mapping_file: StringProperty(name="File", description="A mapping (.json)", subtype="FILE_PATH")
    via: EnumProperty(name="Way", items=[("OWN", "Own", "KinEquiMation's own retargeter"), ("ROKOKO", "Rokoko", "The add-on Rokoko Studio Live, where it is installed: Blender 4.2 to 4.5, legs by FK")])
    animal: PointerProperty(name="Armature", description="The armature of another four-legged animal, such as a game's", type=bpy.types.Object, poll=is_armature)
    animal_mapping: PointerProperty(name="Mapping", description="Which of its bones moves like which of the horse's: a text of this file (JSON)", type=bpy.types.Text)
    limbs: EnumProperty(name="Limbs", items=[("IK", "IK", "Hooves are keyed, the legs follow"), ("FK", "FK", "Each bone of the legs is keyed")])
    root_motion: EnumProperty(name="Root", items=[("PATH", "Path", "The control `root` carries the path on the ground"), ("IN_PLACE", "In place", "The horse stays where it is")])
    reduce: BoolProperty(name="Fewer keys", description="Only the keys that the curves need, so that they can be edited", default=True)
    tolerance_mm: FloatProperty(name="Stray mm", description="How far a control may come away from the clip, in millimetres", default=3.0, min=0.05, max=100.0)
    tolerance_deg: FloatProperty(name="Degrees", description="How far a control may turn away from the clip, in degrees", default=1.0, min=0.05, max=45.0)
    loop: BoolProperty(name="Loop", description="Only the cleanest stride, closed to a cycle", default=False)
    first: IntProperty(name="From", description="First frame of the clip that is used", default=1, min=1)
    last: IntProperty(name="To", description="Last frame of the clip that is used; 0 for all", default=0, min=0)
    target: EnumProperty(name="For", items=[(key.upper(), target.label, f"Unit, names and root as {target.label} takes them") for key, target in TARGETS.items()])
    format: EnumProperty(name="Format", items=FORMATS)
    root: EnumProperty(name="Root", items=ROOTS)
    meshes: BoolProperty(name="Mesh", description="With the meshes that the armature deforms", default=True)


class Preferences(bpy.types.AddonPreferences):
    bl_idname = __package__
    python: StringProperty(name="Python", description="The Python in which kinequimation is installed", subtype="FILE_PATH")
    max_frames: IntProperty(name="Longest clip", description="Frames; a longer clip has to be cut with From and To", default=5000, min=10)

    def draw(self, context):
        self.layout.label(text="Videos and pose files are read by kinequimation, in a process of its own.")
        row = self.layout.row(align=True)
        row.prop(self, "python")
        row.operator("kinequimation.find_python", text="", icon="VIEWZOOM")
        self.layout.prop(self, "max_frames")


def preferences():
    """The extension's preferences; None where its folder is used without having been installed."""
    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences if addon else None


def python():
    """What the preferences say, or the Python beside the command `kinequimation`."""
    chosen = preferences().python if preferences() else ""
    return bpy.path.abspath(chosen) if chosen else jobs.find_python()


def max_frames():
    return preferences().max_frames if preferences() else 5000


def absolute(path):
    return Path(bpy.path.abspath(path)).expanduser()


def clip_path(options):
    """The clip that was chosen; an empty path, which the reader of clips refuses with a sentence, where none was."""
    return absolute(options.clip) if options.clip else Path()
