# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the horse is filmed: sky and horizon, ground, sun, fences and trees and walls, a rider; a camera; Cycles, tuned to be fast.

The settings were measured: 4 samples with the fast denoiser can hardly be told from 32 at 256 px, and take about half a CPU second.
"""
import itertools
import math

import bpy
import numpy as np
from mathutils import Euler, Matrix

GROUNDS = [(.06, .12, .025), (.22, .16, .09), (.32, .27, .2), (.12, .12, .12), (.7, .7, .72), (.1, .07, .04), (.2, .2, .08)]  # grass, sand, dust, tarmac, snow, earth, straw
SENSOR_MM = 36.0
COUNT = itertools.count()


class Stage:
    """One Blender scene that is dressed anew for every job."""

    def __init__(self):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene, self.props, self.rider = bpy.context.scene, [], []
        self.camera = self.add(bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera")))
        self.scene.camera = self.camera
        self.camera.data.sensor_fit, self.camera.data.sensor_width, self.camera.data.clip_end = "HORIZONTAL", SENSOR_MM, 500
        self.sun = self.add(bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN")))
        self.make_sky()
        self.make_ground()
        tune(self.scene)

    def add(self, made):
        self.scene.collection.objects.link(made)
        return made

    def make_sky(self):
        world = self.scene.world = bpy.data.worlds.new("World")
        world.use_nodes = True
        world.cycles.sampling_method = "NONE"
        tree = world.node_tree
        self.sky = tree.nodes.new("ShaderNodeTexEnvironment")
        self.background = next(n for n in tree.nodes if n.type == "BACKGROUND")
        tree.links.new(self.sky.outputs["Color"], self.background.inputs["Color"])

    def make_ground(self):
        bpy.ops.mesh.primitive_plane_add(size=160)
        ground = bpy.context.object
        paint = material("ground", (.5, .5, .5), .9)
        ground.data.materials.append(paint)
        nodes, links = paint.node_tree.nodes, paint.node_tree.links
        where, self.ground_scale, self.ground_image = (nodes.new(f"ShaderNode{n}") for n in ("TexCoord", "Mapping", "TexImage"))
        links.new(where.outputs["Object"], self.ground_scale.inputs["Vector"])
        links.new(self.ground_scale.outputs["Vector"], self.ground_image.inputs["Vector"])
        links.new(self.ground_image.outputs["Color"], shader(paint).inputs["Base Color"])

    def dress(self, rng, eye, root):
        """Another place and another light, seen from `eye` (3,) towards the horse at `root` (3,)."""
        self.clear()
        image(self.sky, sky(rng))
        self.background.inputs["Strength"].default_value = rng.uniform(.6, 1.7)
        colour = np.array(GROUNDS[rng.integers(len(GROUNDS))]) * rng.uniform(.5, 1.5) * rng.normal(1, .1, 3)
        image(self.ground_image, np.clip(colour * (1 + rng.uniform(.05, .5) * noise(rng, 256, 6, 1.0)), .004, .95))
        self.ground_scale.inputs["Scale"].default_value = [rng.uniform(.05, .5)] * 2 + [1]
        self.sun.data.energy = rng.uniform(0, 4.5) if rng.random() < .85 else 0
        self.sun.data.angle = rng.choice([.01, .1, .6])
        self.sun.rotation_euler = (*rng.uniform(-1.1, 1.1, 2), 0)
        clutter(self, rng, np.asarray(eye), np.asarray(root))

    def clear(self):
        for made in self.props + self.rider:
            bpy.data.objects.remove(made, do_unlink=True)
        self.props, self.rider = [], []
        for store in (bpy.data.meshes, bpy.data.materials):
            for unused in [block for block in store if block.users == 0]:
                store.remove(unused)

    def prop(self, kind, location, scale, turn, colour):
        """A primitive in the background."""
        made = primitive(kind, colour)
        made.location, made.scale, made.rotation_euler = location, scale, turn
        self.props.append(made)

    def film(self, camera, size):
        """The camera of K, R, t (OpenCV) as Blender's."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = camera["R"].T @ np.diag([1, -1, -1]), -camera["R"].T @ camera["t"]
        self.camera.matrix_world = Matrix(matrix.tolist())
        self.camera.data.lens = camera["K"][0, 0] * SENSOR_MM / size[0]
        self.scene.render.resolution_x, self.scene.render.resolution_y = size

    def seat_rider(self, look, spine, scale):
        """A saddle and a crude rider on the back; `spine` (4,4) is the bone below the saddle, `look` what `rider_look` drew."""
        for made in self.rider:
            bpy.data.objects.remove(made, do_unlink=True)
        self.rider = []
        if look is None:
            return
        frame = rest_axes(spine) @ np.array([0, -.12, .24]) * scale + spine[:3, 3], rest_axes(spine)
        for kind, place, extent, turn, colour in rider_parts(look):
            made = primitive(kind, colour)
            made.matrix_world = (Matrix.Translation(frame[0] + frame[1] @ np.array(place) * scale) @ Matrix(frame[1].tolist()).to_4x4()
                                 @ Euler(turn).to_matrix().to_4x4() @ Matrix.Diagonal((*[e * scale for e in extent], 1)))
            self.rider.append(made)


def rest_axes(delta):
    """(3,3): the world's axes as the bone has turned them (`delta` is posed @ rest^-1 with the bone's place in its last column)."""
    return delta[:3, :3]


def tune(scene):
    """Cycles for small pictures on CPU cores: one thread a process, one process a core."""
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device, cycles.use_denoising, cycles.denoiser = "CPU", True, "OPENIMAGEDENOISE"
    cycles.denoising_input_passes, cycles.denoising_quality = "RGB", "FAST"
    cycles.max_bounces = cycles.diffuse_bounces = 1
    cycles.glossy_bounces = cycles.transmission_bounces = 0
    cycles.use_light_tree, cycles.pixel_filter_type = False, "BOX"
    render = scene.render
    render.use_persistent_data, render.use_compositing, render.use_sequencer = True, False, False
    render.threads_mode, render.threads = "FIXED", 1
    render.image_settings.file_format = "PNG"
    render.image_settings.compression = 0
    scene.view_settings.view_transform = "Standard"


def material(name, colour=None, rough=.7, attribute=None):
    """A matt material of one colour, or coloured by a mesh attribute."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    node = shader(made)
    node.inputs["Roughness"].default_value, node.inputs["Specular IOR Level"].default_value = rough, .25
    if colour is not None:
        node.inputs["Base Color"].default_value = (*map(float, colour), 1)
    if attribute:
        source = made.node_tree.nodes.new("ShaderNodeVertexColor")
        source.layer_name = attribute
        made.node_tree.links.new(source.outputs["Color"], node.inputs["Base Color"])
    return made


def shader(made):
    return next(n for n in made.node_tree.nodes if n.type == "BSDF_PRINCIPLED")


def primitive(kind, colour):
    more = {"segments": 20, "ring_count": 12} if kind == "uv_sphere" else {"vertices": 16} if kind == "cylinder" else {}
    getattr(bpy.ops.mesh, f"primitive_{kind}_add")(**more)
    made = bpy.context.object
    made.data.materials.append(material("prop", colour))
    if kind != "cube":
        made.data.polygons.foreach_set("use_smooth", np.ones(len(made.data.polygons), bool))
    return made


def noise(rng, n, octaves=4, falloff=1.2):
    """(n,n,3) smooth noise of unit variance, mostly grey with a little colour."""
    out, x = np.zeros((n, n, 3), np.float32), None
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        grid = rng.normal(0, 1, (cells + 1, cells + 1, 3)).astype(np.float32)
        x = np.linspace(0, cells - 1e-3, n)
        i, f = x.astype(int), (x % 1)[:, None]
        rows = grid[i] * (1 - f[..., None]) + grid[i + 1] * f[..., None]
        out += (rows[:, i] * (1 - f) + rows[:, i + 1] * f) / falloff ** octave
    grey = out.mean(-1, keepdims=True)
    return grey / grey.std() + .2 * out / out.std()


def sky(rng):
    """(64,128,3) linear: a sky that pales towards the horizon, clouds, and mostly a line of trees or hills."""
    up = np.linspace(-1, 1, 64)[:, None, None]
    zenith = (rng.uniform(.3, 1.) + rng.normal(0, .1, 3) if rng.random() < .6 else np.array([.45, .6, .9])) * rng.uniform(.5, 1.2)
    horizon = np.clip(zenith * rng.uniform(.7, 1.6) + rng.normal(0, .08, 3), .02, 2)
    share = np.clip(up, 0, 1) ** .5
    clouds = noise(rng, 128)[:64]
    out = np.clip(horizon * (1 - share) + zenith * share, .01, 3) * np.clip(1 + .25 * clouds * rng.uniform(0, 1), .2, 2.5)
    if rng.random() < .65:
        tops = np.abs(np.interp(np.arange(128), np.linspace(0, 128, 20), rng.normal(0, 1, 20))) * rng.uniform(1, 7) + rng.uniform(0, 5)
        colour = rng.uniform(.02, .3) * rng.normal(1, .25, 3).clip(.3, 1.7)
        for column, top in enumerate(tops.astype(int)):
            out[28:32 + top, column] = colour * np.clip(1 + .5 * clouds[28:32 + top, column], .1, 3)
    return out


def image(node, pixels):
    """Gives a texture node an image with these linear pixels (h,w,3). A new one under a new name: Cycles' persistent data goes on showing the old one else."""
    h, w = pixels.shape[:2]
    old = node.image
    made = bpy.data.images.new(f"{node.name} {next(COUNT)}", w, h, float_buffer=True)
    node.image = made
    if old:
        bpy.data.images.remove(old)
    rgba = np.ones((h, w, 4), np.float32)
    rgba[..., :3] = pixels
    made.pixels.foreach_set(rgba.ravel())
    made.update()


def clutter(stage, rng, eye, root):
    """A wall (sometimes with lines on it), fences, trees, boxes, bystanders; mostly behind the horse."""
    away = (root - eye) * (1, 1, 0)
    away /= max(np.linalg.norm(away), 1e-6)
    side, turn = np.array([-away[1], away[0], 0]), math.atan2(away[1], away[0]) - math.pi / 2
    if rng.random() < .28:
        wall(stage, rng, root + away * rng.uniform(1.3, 5), away, side, turn)
    if rng.random() < .35:
        fence(stage, rng, root + away * rng.uniform(1.2, 6) * (1 if rng.random() < .75 else -.35), side, turn)
    for _ in range(rng.integers(0, 7)):
        x, y, _ = root + away * rng.uniform(2.5, 25) + side * rng.normal(0, 6)
        thing(stage, rng, x, y)


def wall(stage, rng, at, away, side, turn):
    colour = rng.uniform(.05, .5) + rng.uniform(.05, .9) * .5 + rng.normal(0, .04, 3)
    stage.prop("cube", (at[0], at[1], 2.5), (30, .05, rng.uniform(1.2, 5)), (0, 0, turn), np.clip(colour, .02, .95))
    if rng.random() < .6:
        lines = np.clip(colour * rng.uniform(.1, .8), .01, .9)
        for k in range(-8, 9):
            x, y, _ = at - .06 * away + side * k * rng.uniform(.95, 1.05)
            stage.prop("cube", (x, y, 2), (.012, .005, 4), (0, 0, turn), lines)


def fence(stage, rng, at, side, turn):
    colour = rng.uniform(.03, .8) * np.array([1, .9, .75])
    for z in (.5, .95, 1.35)[:rng.integers(1, 4)]:
        stage.prop("cube", (at[0], at[1], z), (20, .02, .05), (0, 0, turn), colour)
    for k in range(-6, 7):
        x, y, _ = at + side * k * 2.2
        stage.prop("cube", (x, y, .7), (.05, .05, .72), (0, 0, turn), colour)


def thing(stage, rng, x, y):
    """A tree, a box or somebody standing there."""
    kind, colour = rng.random(), rng.uniform(.05, .5) * rng.normal(1, .35, 3).clip(.2, 2)
    if kind < .45:
        stage.prop("uv_sphere", (x, y, rng.uniform(.5, 4)), rng.uniform(.4, 2.4, 3), (0, 0, 0), np.array([.03, .08, .02]) * rng.uniform(.3, 3))
        stage.prop("cylinder", (x, y, 1), (.13, .13, 1.4), (0, 0, 0), (.08, .05, .03))
    elif kind < .8:
        stage.prop("cube", (x, y, .8), rng.uniform(.2, 2.2, 3), (0, 0, rng.uniform(0, 3)), colour)
    else:
        stage.prop("uv_sphere", (x, y, 1), (.25, .25, .9), (0, 0, 0), colour)
        stage.prop("uv_sphere", (x, y, 2), (.14, .14, .16), (0, 0, 0), (.4, .25, .18))


def rider_look(rng, share=.3):
    """Colours and seat of a rider, or None: most horses have none."""
    return dict(colours=rng.uniform(.02, .8, (4, 3)), lean=rng.uniform(-.1, .7)) if rng.random() < share else None


def rider_parts(look):
    """(primitive, place, half extent, turn, colour) in the saddle's axes, for a horse of 1.60 m: forward is -Y."""
    lean, (cloth, jacket, trousers, cap) = look["lean"], look["colours"]
    skin, leather = (.35, .2, .14), (.02, .02, .02)
    parts = [("uv_sphere", (0, .08, 0), (.30, .30, .10), (0, 0, 0), cloth), ("uv_sphere", (0, .05, -.12), (.305, .33, .26), (0, 0, 0), cloth),
             ("uv_sphere", (0, .05 - .18 * lean, .42), (.17, .13, .36), (lean, 0, 0), jacket),
             ("uv_sphere", (0, -.05 - .55 * lean, .85 - .12 * lean), (.10, .12, .14), (0, 0, 0), skin),
             ("uv_sphere", (0, -.04 - .55 * lean, .92 - .12 * lean), (.115, .135, .09), (0, 0, 0), cap)]
    for s in (1, -1):
        parts += [("cylinder", (s * .22, -.12, -.02), (.085, .085, .26), (-1.0, s * .25, 0), trousers),
                  ("cylinder", (s * .32, -.20, -.33), (.06, .06, .24), (.25, 0, 0), trousers if lean < .4 else cap * .2),
                  ("uv_sphere", (s * .33, -.24, -.56), (.05, .13, .045), (0, 0, 0), leather),
                  ("cylinder", (s * .2, -.20 - .3 * lean, .42 - .05 * lean), (.045, .045, .2), (-1.1, -s * .2, 0), jacket),
                  ("cylinder", (s * .13, -.42 - .35 * lean, .28), (.04, .04, .16), (1.9, s * .5, 0), jacket)]
    return parts
