# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's buttons do. Input is read and checked before anything in the scene is changed."""
import functools
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ExportHelper, ImportHelper

from . import anyrig, child, export, files, jobs, limbs, loops, maths, ml_rig, proportions, restore, retarget, rig, rokoko, scene, settings, skin
from .slices import Work

RUNNING = {"job": None}  # one at a time: a film takes all cores anyway


def reported(execute):
    """Decorator: what a user can mend is reported in one line, and the operator is cancelled."""
    @functools.wraps(execute)
    def run(self, context, *args):
        try:
            return execute(self, context, *args)
        except files.ClipError as error:
            self.report({"ERROR"}, str(error))
        except OSError as error:
            self.report({"ERROR"}, f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
        except RuntimeError as error:  # of Blender's own operators
            self.report({"ERROR"}, child.one_line(error))
        return {"CANCELLED"}
    return run


# Reading

def read_clip(path, first=1, last=0):
    """The skeleton and the wanted part of a clip; raises `ClipError`."""
    if not Path(path).is_file():
        raise files.ClipError(f"Expected a motion clip (.npz), but there is no {'file chosen' if path == Path() else path}.")
    skeleton = files.read_skeleton(files.find_skeleton())
    clip = files.cut(files.read_clip(path, skeleton), first, last, path)
    if len(clip["rotation"]) > settings.max_frames():
        raise files.ClipError(f"Expected a clip of at most {settings.max_frames()} frames, but {Path(path).name} has {len(clip['rotation'])}. "
                              "Choose a part of it with From and To, or allow longer ones in the preferences.")
    return skeleton, clip


def read_mapping(options):
    if options.mapping != "FILE":
        return retarget.read_mapping(retarget.MAPPINGS / options.mapping)
    path = settings.absolute(options.mapping_file)
    if not path.is_file():
        raise files.ClipError(f"Expected a mapping (.json), but there is no {options.mapping_file or 'file chosen'}.")
    return retarget.read_mapping(path)


def seen(armature):
    """Raises `ClipError` for an armature that is hidden: Blender doesn't move it then, and what was keyed can't be read back."""
    if not armature.visible_get():
        raise files.ClipError(f"Expected an armature that can be seen, but {armature.name} is hidden. Show it first.")


def object_mode():
    if bpy.context.object and bpy.context.object.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")


# Doing

def build_horse(context, options):
    """A new Rigify horse, with its skin if that is wanted and came with the extension; it becomes the panel's rig."""
    object_mode()
    horse = rig.build_rig()
    if options.skin and skin.available():
        skin.add(horse)
    options.rig = horse
    context.view_layer.objects.active = horse
    return horse


def put_on(context, options, skeleton, clip, name):
    """The clip on the panel's rig, which is made if there is none; a generator that returns what a report says.

    Input is refused before the first stop. Whoever gives it up later finds the scene as it was.
    """
    mapping = read_mapping(options)
    if options.rig:
        seen(options.rig)
        retarget.check(options.rig, skeleton, mapping)
    if options.via == "ROKOKO":
        rokoko.require()
    clip = loops.cut(clip, skeleton) if options.loop else clip
    yield 0, retarget.STEPS
    object_mode()
    before = restore.Before(context, options.rig)
    try:
        return (yield from keyed(context, options, skeleton, clip, mapping, name))
    except BaseException:
        options.rig = before.armature
        before.restore()
        raise


def keyed(context, options, skeleton, clip, mapping, name):
    frames = time_line(context.scene, clip)
    horse = options.rig or build_horse(context, options)
    yield
    reduce = (options.tolerance_mm, options.tolerance_deg) if options.reduce else None
    if options.via == "ROKOKO":
        source = by_rokoko(horse, skeleton, clip, mapping, frames, name)
    else:
        source = yield from retarget.retargeting(horse, skeleton, clip, mapping, frames, name, options.limbs, options.root_motion == "IN_PLACE", reduce)
    if options.loop:
        loops.cycle(horse, [mapping["root"]["control"]])
    if options.bare_skeleton:
        add_bare(retarget.rest_of(horse, skeleton), clip, source, frames, name + "_ML")
    mark(context.scene, clip, frames)
    context.view_layer.objects.active = horse
    return f"{name}: {len(frames)} frames on {horse.name}"


def by_rokoko(horse, skeleton, clip, mapping, frames, name):
    """The same by the Rokoko add-on, which takes the motion from a bare skeleton of the rig's proportions; returns where the bones should be."""
    own = retarget.rest_of(horse, skeleton)
    source = proportions.fit(skeleton, clip, own)
    bare = add_bare(own, clip, source, frames, name + "_source")
    action = bare.animation_data.action
    rokoko.retarget(bare, horse, skeleton, mapping, frames, name)
    data = bare.data
    bpy.data.objects.remove(bare)
    bpy.data.batch_remove([data, action])
    return source


def add_bare(own, clip, source, frames, name):
    """ML_rig in the rig's proportions, where the retargeting wanted the bones to be."""
    bare = ml_rig.build_ml_rig(own)
    ml_rig.pose_ml_rig(bare, own, dict(clip, **dict(zip(("rotation", "root_location"), maths.unposed(own, source)))), frames, name)
    bare.hide_set(True)
    return bare


def mark(this, clip, frames):
    """A marker at every footfall, in place of those of the clip before."""
    for marker in [m for m in this.timeline_markers if m.name in scene.FEET]:
        this.timeline_markers.remove(marker)
    if "contacts" in clip:
        scene.add_markers(clip["contacts"], frames)


def time_line(this, clip):
    """Rate and range of the scene as the clip has them; returns the frame numbers."""
    fps = clip["meta"]["fps"]
    this.render.fps = max(1, round(fps))
    this.render.fps_base = this.render.fps / fps
    this.frame_end = this.frame_start + len(clip["rotation"]) - 1
    return np.arange(this.frame_start, this.frame_end + 1)


# In the background

VIEW = {"MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "MOUSEMOVE", "INBETWEEN_MOUSEMOVE", "TRACKPADPAN", "TRACKPADZOOM", "MOUSEROTATE",
        *(f"NUMPAD_{n}" for n in (*range(10), "PERIOD", "PLUS", "MINUS")), *(f"TIMER{n}" for n in ("", 0, 1, 2, "_JOBS", "_REPORT")), "WINDOW_DEACTIVATE"}


class Free:
    """An operator that waits until nothing runs."""

    @classmethod
    def poll(cls, context):
        return RUNNING["job"] is None


class Background(Free):
    """An operator that starts a job and looks after it with a timer; the window stays free.

    A job of another process (`jobs.Job`) leaves everything free. Work on the scene (`slices.Work`) is done a slice with every tick: the view
    can be turned meanwhile and Cancel be pressed, as can Escape; what would change the scene under its hands waits.
    """

    timer, pressed = None, False

    def invoke(self, context, event):
        self.pressed = True
        return self.execute(context)

    def begin(self, context, job):
        RUNNING["job"] = self.job = job
        at_once = isinstance(job, Work) and not self.pressed and self.timer is None  # a script's call, or one that is repeated with other settings
        if bpy.app.background or at_once:  # no window, or none to keep free
            job.wait()
            return self.finish(context)
        if self.timer is None:
            self.timer = context.window_manager.event_timer_add(0.05 if isinstance(job, Work) else 0.2, window=context.window)
            context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC" and isinstance(self.job, Work):
            self.job.cancel()
        elif event.type != "TIMER":
            return {"PASS_THROUGH"} if not isinstance(self.job, Work) or event.type in VIEW or over_panel(context, event) else {"RUNNING_MODAL"}
        redraw(context)
        if self.job.poll() == "RUNNING":
            return {"PASS_THROUGH"}
        done = self.finish(context)
        if done == {"RUNNING_MODAL"}:  # the next job has begun
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self.timer)
        return done

    @reported
    def finish(self, context):
        RUNNING["job"] = None
        redraw(context)
        if self.job.state == "CANCELLED":
            self.report({"INFO"}, "Cancelled; nothing was changed.")
            return {"CANCELLED"}
        if self.job.state == "FAILED":
            raise files.ClipError(self.job.error)
        return self.use(context)

    def use(self, context):
        """What becomes of the job's result; here it is what the report says."""
        self.report({"INFO"}, self.job.result)
        return {"FINISHED"}

    def put_on(self, context, path, name, first=1, last=0):
        """A clip onto the panel's rig, as the next job."""
        skeleton, clip = read_clip(path, first, last)
        self.use = lambda context: Background.use(self, context)
        return self.begin(context, Work(put_on(context, context.scene.kinequimation, skeleton, clip, name), "Retargeting"))

    def cancel(self, context):
        """Called by Blender when it is closed or another file is opened."""
        self.job.end()
        RUNNING["job"] = None


def over_panel(context, event):
    """The pointer is over a sidebar, where the button Cancel is; all other buttons are off meanwhile."""
    return any(region.type == "UI" and region.x <= event.mouse_x < region.x + region.width and region.y <= event.mouse_y < region.y + region.height
               for area in context.window.screen.areas if area.type == "VIEW_3D" for region in area.regions)


def redraw(context):
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


# The buttons

class KINEQUIMATION_OT_import_clip(Free, bpy.types.Operator, ImportHelper):
    """Put a motion clip on a Rigify horse: its controls are keyed, and can be edited. Pose files (.nc) are converted by kinequimation first"""
    bl_idname = "import_anim.kinequimation_clip"
    bl_label = "Import horse motion"
    bl_options = {"REGISTER", "UNDO"}
    filename_ext = ".npz"
    filter_glob: bpy.props.StringProperty(default="*.npz;*.nc", options={"HIDDEN"})
    bare_skeleton: bpy.props.BoolProperty(name="Bare skeleton too", description="Also make ML_rig, which follows the clip exactly and has no controls", default=True)

    @reported
    def execute(self, context):
        options, path = context.scene.kinequimation, Path(self.filepath)
        if path.suffix.lower() == ".nc":
            return bpy.ops.kinequimation.convert("INVOKE_DEFAULT", filepath=self.filepath)
        read_clip(path)
        options.clip, options.bare_skeleton, options.rig, options.first, options.last = self.filepath, self.bare_skeleton, None, 1, 0
        bpy.ops.kinequimation.retarget("INVOKE_DEFAULT")
        return {"FINISHED"}


class KINEQUIMATION_OT_build(Free, bpy.types.Operator):
    """Make Rigify's horse, with all its controls"""
    bl_idname = "kinequimation.build"
    bl_label = "Build the horse"
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context):
        self.report({"INFO"}, f"Built {build_horse(context, context.scene.kinequimation).name}")
        return {"FINISHED"}


class KINEQUIMATION_OT_retarget(Background, bpy.types.Operator):
    """Key the rig's controls so that the horse moves as the clip does; what was keyed before stays in its own action"""
    bl_idname = "kinequimation.retarget"
    bl_label = "Retarget"
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context):
        options = context.scene.kinequimation
        path = settings.clip_path(options)
        return self.put_on(context, path, path.stem, options.first, options.last)


class KINEQUIMATION_OT_switch_legs(Free, bpy.types.Operator):
    """Have the legs listen to their other controls, IK or FK, and stay as they are in every frame"""
    bl_idname = "kinequimation.switch_legs"
    bl_label = "Legs to"
    bl_options = {"REGISTER", "UNDO"}
    to: bpy.props.EnumProperty(name="To", items=[("IK", "IK", "Hooves are keyed, the legs follow"), ("FK", "FK", "Each bone of the legs is keyed")])

    @reported
    def execute(self, context):
        options = context.scene.kinequimation
        if options.rig is None:
            raise files.ClipError("Expected a rig whose legs to switch, but none is chosen. Choose it in the panel.")
        seen(options.rig)
        limbs.switch(options.rig, files.read_skeleton(files.find_skeleton()), read_mapping(options), scene.FEET, self.to)
        self.report({"INFO"}, f"The legs listen to {self.to}")
        return {"FINISHED"}


class KINEQUIMATION_OT_export(Free, bpy.types.Operator):
    """Write the horse's motion for another program: what the rig does now, with all that was edited on it"""
    bl_idname = "kinequimation.export"
    bl_label = "Export horse motion"
    bl_options = {"REGISTER"}
    filepath: bpy.props.StringProperty(subtype="FILE_PATH")
    filter_glob: bpy.props.StringProperty(default="*.fbx;*.glb;*.usd;*.bvh;*.abc", options={"HIDDEN"})
    check_existing: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        options = context.scene.kinequimation
        self.filepath = str(Path(self.filepath or bpy.data.filepath or "horse").with_suffix("." + options.format.lower()))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @reported
    def execute(self, context):
        options = context.scene.kinequimation
        armature = options.rig or context.object
        if armature is None or armature.type != "ARMATURE":
            raise files.ClipError("Expected a rig to export, but none is chosen. Choose it in the panel.")
        path = settings.absolute(self.filepath)
        if path.suffix.lower() not in export.WRITERS:
            path = path.with_name(path.name + "." + options.format.lower())
        root = None if options.root == "AUTO" else options.root.lower()
        export.write(path, armature, files.read_skeleton(files.find_skeleton()), options.target.lower(), root, None if options.meshes else ())
        self.report({"INFO"}, f"Wrote {path}")
        return {"FINISHED"}


class KINEQUIMATION_OT_animate(Background, bpy.types.Operator):
    """Find the horse in the film and its motion, in the background; then put it on the rig"""
    bl_idname = "kinequimation.animate"
    bl_label = "Animate from video"
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context):
        options = context.scene.kinequimation
        video = settings.absolute(options.video)
        if not options.video or not video.is_file():
            raise files.ClipError(f"Expected a video, but there is no {options.video or 'file chosen'}.")
        self.folder = settings.absolute(options.folder) if options.folder else video.with_name(video.stem + "_kinequimation")
        height = f"{options.withers_height:g}"
        return self.begin(context, jobs.Job(settings.python(), "animate", video, "-o", self.folder, "--no-blender", "--withers-height", height))

    def use(self, context):
        options, path = context.scene.kinequimation, self.folder / "clip.npz"
        options.clip = str(path)
        return self.put_on(context, path, settings.absolute(options.video).stem)


class KINEQUIMATION_OT_convert(Background, bpy.types.Operator):
    """Turn poses (pose3d.nc) into a motion clip beside them, in the background; then put it on the rig"""
    bl_idname = "kinequimation.convert"
    bl_label = "Convert poses"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    filepath: bpy.props.StringProperty(subtype="FILE_PATH")

    @reported
    def execute(self, context):
        source = Path(self.filepath)
        if not source.is_file():
            raise files.ClipError(f"Expected a pose file (.nc), but there is no {source}.")
        self.clip = source.with_suffix(".npz")
        return self.begin(context, jobs.Job(settings.python(), "retarget", source, "-o", self.clip))

    def use(self, context):
        context.scene.kinequimation.clip = str(self.clip)
        return self.put_on(context, self.clip, self.clip.stem)


# Any other animal

def animal_of(options):
    if options.animal is None:
        raise files.ClipError("Expected the armature of another animal, but none is chosen. Choose it in the panel.")
    seen(options.animal)
    return options.animal


def animal_mapping(options):
    if options.animal_mapping is None:
        raise files.ClipError("Expected a mapping for this animal, but there is none. Propose one, look it over in the text editor, or load it from a file.")
    return options.animal_mapping


def keep_text(options, name, content):
    """The mapping as a text of this file, which the text editor shows and changes."""
    text = options.animal_mapping or bpy.data.texts.new(name)
    text.name = name
    text.from_string(content)
    options.animal_mapping = text


def animal_moves(context, options, skeleton, clip, name):
    """The clip on another animal; a generator like `put_on`."""
    armature, text = animal_of(options), animal_mapping(options)
    mapping = anyrig.parse(text.as_string(), text.name, armature, skeleton)
    anyrig.check_free(armature)
    clip = loops.cut(clip, skeleton) if options.loop else clip
    yield 0, retarget.STEPS
    object_mode()
    before = restore.Before(context, armature)
    try:
        frames = time_line(context.scene, clip)
        reduce = (options.tolerance_mm, options.tolerance_deg) if options.reduce else None
        yield from anyrig.retargeting(armature, skeleton, clip, mapping, frames, name, options.root_motion == "IN_PLACE", reduce)
        if options.loop:
            loops.cycle(armature, anyrig.placed(mapping))
        mark(context.scene, clip, frames)
    except BaseException:
        before.restore()
        raise
    return f"{name}: {len(frames)} frames on {armature.name}"


class KINEQUIMATION_OT_propose(Free, bpy.types.Operator):
    """Propose which bone of the other animal moves like which of the horse, from names and geometry: as a text of this file, to be looked over"""
    bl_idname = "kinequimation.propose"
    bl_label = "Propose a mapping"
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context):
        options = context.scene.kinequimation
        mapping = anyrig.propose(animal_of(options))
        keep_text(options, options.animal.name + ".json", anyrig.text(mapping))
        self.report({"INFO"}, f"{len(mapping['bones'])} bones in the text {options.animal_mapping.name}: look it over in the text editor")
        return {"FINISHED"}


class KINEQUIMATION_OT_load_mapping(Free, bpy.types.Operator, ImportHelper):
    """Read a mapping for the other animal from a file"""
    bl_idname = "kinequimation.load_mapping"
    bl_label = "Load a mapping"
    bl_options = {"REGISTER", "UNDO"}
    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    @reported
    def execute(self, context):
        options, path = context.scene.kinequimation, Path(self.filepath)
        anyrig.read(path, animal_of(options), files.read_skeleton(files.find_skeleton()))
        keep_text(options, path.name, path.read_text(encoding="utf-8"))
        return {"FINISHED"}


class KINEQUIMATION_OT_save_mapping(Free, bpy.types.Operator, ExportHelper):
    """Write the mapping for the other animal to a file, for other scenes and for the command line"""
    bl_idname = "kinequimation.save_mapping"
    bl_label = "Save the mapping"
    bl_options = {"REGISTER"}
    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    @reported
    def execute(self, context):
        text = animal_mapping(context.scene.kinequimation)
        with files.atomic_path(self.filepath) as partial:
            partial.write_text(text.as_string(), encoding="utf-8")
        self.report({"INFO"}, f"Wrote {self.filepath}")
        return {"FINISHED"}


class KINEQUIMATION_OT_retarget_any(Background, bpy.types.Operator):
    """Key the other animal's bones so that it moves as the clip does; its feet stay where they are planted"""
    bl_idname = "kinequimation.retarget_any"
    bl_label = "Retarget to the animal"
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context):
        options = context.scene.kinequimation
        path = settings.clip_path(options)
        skeleton, clip = read_clip(path, options.first, options.last)
        return self.begin(context, Work(animal_moves(context, options, skeleton, clip, path.stem), "Retargeting"))


class KINEQUIMATION_OT_cancel(bpy.types.Operator):
    """Stop what is running; nothing half done stays behind"""
    bl_idname = "kinequimation.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context):
        return RUNNING["job"] is not None

    def execute(self, context):
        RUNNING["job"].cancel()
        return {"FINISHED"}


class KINEQUIMATION_OT_find_python(bpy.types.Operator):
    """Look for the Python beside the command `kinequimation`"""
    bl_idname = "kinequimation.find_python"
    bl_label = "Find kinequimation"

    @reported
    def execute(self, context):
        found = jobs.find_python()
        if not found:
            raise files.ClipError("Expected the command kinequimation on the PATH, but it is not there. Install it (pip install kinequimation), or choose the Python by hand.")
        settings.preferences().python = found
        self.report({"INFO"}, found)
        return {"FINISHED"}


CLASSES = (KINEQUIMATION_OT_import_clip, KINEQUIMATION_OT_build, KINEQUIMATION_OT_retarget, KINEQUIMATION_OT_switch_legs, KINEQUIMATION_OT_export, KINEQUIMATION_OT_animate, KINEQUIMATION_OT_convert,
           KINEQUIMATION_OT_propose, KINEQUIMATION_OT_load_mapping, KINEQUIMATION_OT_save_mapping, KINEQUIMATION_OT_retarget_any, KINEQUIMATION_OT_cancel, KINEQUIMATION_OT_find_python)


def stop(*_):
    """Ends what runs in the background: Blender is closed, another file opened, or the extension switched off."""
    if RUNNING["job"]:
        RUNNING["job"].end()
        RUNNING["job"] = None
