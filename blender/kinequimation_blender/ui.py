# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the 3D view's sidebar (N), and File > Import and Export."""
import atexit

import bpy
from bpy.app.handlers import persistent

from . import operators, settings, skin


class Panel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "KinEquiMation"


class KINEQUIMATION_PT_motion(Panel, bpy.types.Panel):
    bl_label = "Motion"

    def draw(self, context):
        layout, options = column(self.layout), context.scene.kinequimation
        job = operators.RUNNING["job"]
        if job:
            layout.progress(factor=job.share, text=f"{job.stage or 'Starting'} {job.done}/{job.total}" if job.total else job.stage or "Starting")
            layout.operator("kinequimation.cancel", icon="CANCEL")
            return
        layout.prop(options, "video")
        layout.prop(options, "folder")
        layout.prop(options, "withers_height")
        layout.operator("kinequimation.animate", icon="PLAY")
        layout.separator()
        layout.prop(options, "clip")
        layout.operator("import_anim.kinequimation_clip", text="Import a clip or poses...", icon="IMPORT")


class KINEQUIMATION_PT_retarget(Panel, bpy.types.Panel):
    bl_label = "Horse"

    def draw(self, context):
        layout, options = column(self.layout), context.scene.kinequimation
        layout.enabled = operators.Free.poll(context)
        layout.prop(options, "rig")
        row = layout.row()
        row.enabled = skin.available()
        row.prop(options, "skin")
        layout.operator("kinequimation.build", icon="ARMATURE_DATA")
        layout.separator()
        layout.prop(options, "mapping")
        if options.mapping == "FILE":
            layout.prop(options, "mapping_file")
        layout.row().prop(options, "via", expand=True)
        row = layout.row()
        row.enabled = options.via == "OWN"
        row.prop(options, "limbs", expand=True)
        layout.row().prop(options, "root_motion", expand=True)
        layout.prop(options, "reduce")
        if options.reduce:
            layout.prop(options, "tolerance_mm")
            layout.prop(options, "tolerance_deg")
        row = layout.row(align=True)
        row.prop(options, "first")
        row.prop(options, "last", text="")
        layout.prop(options, "loop")
        layout.prop(options, "bare_skeleton")
        layout.operator("kinequimation.retarget", icon="MOD_ARMATURE")
        row = layout.row(align=True)
        row.enabled = options.rig is not None
        row.operator("kinequimation.switch_legs", text="Legs to IK").to = "IK"
        row.operator("kinequimation.switch_legs", text="Legs to FK").to = "FK"


class KINEQUIMATION_PT_animal(Panel, bpy.types.Panel):
    bl_label = "Another animal"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, options = column(self.layout), context.scene.kinequimation
        layout.enabled = operators.Free.poll(context)
        layout.prop(options, "animal")
        layout.prop(options, "animal_mapping")
        row = layout.row(align=True)
        row.operator("kinequimation.propose", text="Propose")
        row.operator("kinequimation.load_mapping", text="Load...")
        row.operator("kinequimation.save_mapping", text="Save...")
        layout.operator("kinequimation.retarget_any", icon="ARMATURE_DATA")


class KINEQUIMATION_PT_export(Panel, bpy.types.Panel):
    bl_label = "Export"

    def draw(self, context):
        layout, options = column(self.layout), context.scene.kinequimation
        layout.prop(options, "target")
        layout.prop(options, "format")
        layout.prop(options, "root")
        layout.prop(options, "meshes")
        layout.operator("kinequimation.export", text="Export...", icon="EXPORT")


def column(layout):
    layout.use_property_split, layout.use_property_decorate = True, False
    return layout.column()


def import_menu(self, context):
    self.layout.operator("import_anim.kinequimation_clip", text="Horse motion (.npz, .nc)")


def export_menu(self, context):
    self.layout.operator("kinequimation.export", text="Horse motion (.fbx, .glb, .usd, .bvh, .abc)")


@persistent
def on_load(*_):
    operators.stop()


CLASSES = (settings.Settings, settings.Preferences, *operators.CLASSES, KINEQUIMATION_PT_motion, KINEQUIMATION_PT_retarget, KINEQUIMATION_PT_animal, KINEQUIMATION_PT_export)


def register():
    for kind in CLASSES:
        bpy.utils.register_class(kind)
    bpy.types.Scene.kinequimation = bpy.props.PointerProperty(type=settings.Settings)
    bpy.types.TOPBAR_MT_file_import.append(import_menu)
    bpy.types.TOPBAR_MT_file_export.append(export_menu)
    bpy.app.handlers.load_pre.append(on_load)
    atexit.register(operators.stop)


def unregister():
    operators.stop()
    atexit.unregister(operators.stop)
    bpy.app.handlers.load_pre.remove(on_load)
    bpy.types.TOPBAR_MT_file_export.remove(export_menu)
    bpy.types.TOPBAR_MT_file_import.remove(import_menu)
    del bpy.types.Scene.kinequimation
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
