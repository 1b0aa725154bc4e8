# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage on which a horse is filmed: light, sky, ground and what stands about (places.py); a camera; Cycles, tuned to be fast.

The settings were measured: 4 samples with the fast denoiser can hardly be told from 32 at 256 px. A place is two meshes and three materials whose numbers change, so that dressing it
anew costs little: Cycles compiles no shader, and loads no image but the sky.
"""
import math

import bpy
import numpy as np
from mathutils import Euler, Matrix

from kinequimation_blender import keys

from . import places, solids, surfaces

SENSOR_MM = 36.0
NEAR_M = 1.2
NOW = 1  # the scene's frame: a moving camera has keys here and at the next


class Stage:
    """One Blender scene that is dressed anew for every job."""

    def __init__(self):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self.scene.frame_set(NOW)
        self.camera = self.add(bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera")))
        self.scene.camera, self.camera.rotation_mode = self.camera, "QUATERNION"
        self.camera.data.sensor_fit, self.camera.data.sensor_width, self.camera.data.clip_end = "HORIZONTAL", SENSOR_MM, 600
        self.sun = self.add(bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN")))
        self.fields = surfaces.noises()
        self.images = {name: surfaces.image(name, pixels) for name, pixels in {**self.fields, **surfaces.details(self.fields), **surfaces.patterns()}.items()}
        self.make_sky()
        self.make_ground()
        self.things, self.boards = (self.add(solids.mesh_object(name)) for name in ("Things", "Boards"))
        self.things.data.materials.append(textured("things", self.images["fine"], .5, .5))
        self.boards.data.materials.append(textured("boards", self.images["plaster"], .5, 1.))
        self.moving, self.retired, self.filmed = None, [], False
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
        """Two colours mixed by one field, lit and darkened by a finer one. Every image that is looked up costs a twentieth of the whole render."""
        self.ground = self.add(solids.mesh_object("Ground"))
        self.ground.data.from_pydata([(-300, -300, 0), (300, -300, 0), (300, 300, 0), (-300, 300, 0)], [], [(0, 1, 2, 3)])
        paint = dull("ground")
        self.ground.data.materials.append(paint)
        new, link = paint.node_tree.nodes.new, paint.node_tree.links.new
        self.fields_of_ground = []
        for k in range(2):  # a UV map each: a Mapping node makes its matrix anew for every ray that hits the ground, a seventh of the whole render
            where, look = new("ShaderNodeUVMap"), new("ShaderNodeTexImage")
            where.uv_map = self.ground.data.uv_layers.new(name=f"field {k}").name
            link(where.outputs["UV"], look.inputs["Vector"])
            self.fields_of_ground.append((where.uv_map, look))
        share, self.mixed = new("ShaderNodeMapRange"), new("ShaderNodeMix")
        self.mixed.data_type, share.interpolation_type = "RGBA", "SMOOTHSTEP"
        share.inputs["From Min"].default_value, share.inputs["From Max"].default_value = .35, .65
        link(self.fields_of_ground[0][1].outputs["Color"], share.inputs["Value"]), link(share.outputs["Result"], self.mixed.inputs["Factor"])
        self.detail = new("ShaderNodeMath")
        self.detail.operation = "MULTIPLY_ADD"
        link(self.fields_of_ground[1][1].outputs["Color"], self.detail.inputs[0])
        scaled = new("ShaderNodeVectorMath")
        scaled.operation = "SCALE"
        link(self.mixed.outputs["Result"], scaled.inputs[0]), link(self.detail.outputs[0], scaled.inputs["Scale"]), link(scaled.outputs[0], shader(paint).inputs["Color"])

    def dress(self, rng, eye, root, plain=False, eyes=None, paths=()):
        """Another place and another light, furnished for lenses at `eyes` (n,3) m (the first one is `eye`) and horses at `root` (3,) and along `paths` (m,2). Returns what it is, as JSON can hold it."""
        place = places.draw(rng, plain)
        self.dress_ground(places.ground_look(rng, place))
        heaven = self.dress_sky(rng, place)
        self.dress_sun(place)
        site = places.Site([eye, *(eyes if eyes is not None else [])], root, paths)
        heap, board = solids.Heap(), solids.Heap()
        place["things"] = places.furnish(heap, board, rng, place, site)
        place["pattern"] = str(rng.choice(["plaster", "planks", "boards", "bricks", "lines", "squares", "sheet", "stones", "natural", "writing"], p=[.2, .15, .12, .12, .08, .04, .08, .08, .06, .07]))
        self.boards.data.materials[0].node_tree.nodes["Pattern"].image = self.images[place["pattern"]]
        heap.fill(self.things.data), board.fill(self.boards.data)
        for made in (self.things, self.boards):
            made.hide_render = made.hide_viewport = len(made.data.vertices) == 0
        self.expose(rng, heaven, place)
        return place

    def dress_ground(self, look):
        for (_, node), name in zip(self.fields_of_ground, (look["mask"], f"{look['detail']} twice")):
            node.image = self.images[name]
        corners = np.array([made.co[:2] for made in self.ground.data.vertices])
        for k, ((name, _), s) in enumerate(zip(self.fields_of_ground, look["scales"])):
            c, d = math.cos(.7 * k), math.sin(.7 * k)
            on_image = s * corners @ np.array([[c, d], [-d, c]]) + [.37 * k, .61 * k]
            self.ground.data.attributes[name].data.foreach_set("vector", on_image.astype(np.float32).ravel())
        self.ground.data.update()
        self.mixed.inputs["A"].default_value, self.mixed.inputs["B"].default_value = (*look["a"], 1), (*look["b"], 1)
        self.detail.inputs[1].default_value, self.detail.inputs[2].default_value = 2 * look["amount"], 1 - look["amount"]  # the field is .5 in the mean
        self.earth = (look["a"] + look["b"]) / 2

    def dress_sky(self, rng, place):
        """The sky's image; returns its mean light from above. What lies below the horizon shines as the ground would: light that was reflected twice comes from there, see `tune`."""
        pixels = surfaces.sky(rng, self.fields, place["sky"])
        if place["kind"] == "studio":
            above, below = rng.uniform(.3, 1), rng.uniform(.2, 1)
            pixels = np.broadcast_to(np.linspace(below, above, len(pixels))[:, None, None] * (np.array(self.mixed.inputs["A"].default_value[:3]) ** rng.uniform(0, 1)), pixels.shape).astype(np.float32)
        strength = rng.uniform(.7, 1.4)
        heaven = float(pixels[len(pixels) // 2:].mean()) * strength
        below = np.clip((len(pixels) * .46 - np.arange(len(pixels))) / 6, 0, 1)[:, None, None]
        pixels = ((1 - below) * pixels + below * self.earth * self.daylight(heaven, place) / strength).astype(np.float32)
        old, self.sky.image = self.sky.image, surfaces.image(f"sky {next(surfaces.COUNT)}", pixels)
        if self.filmed:  # Cycles has rendered without them: else it would show them again, should the next image get their address
            for image in self.retired:
                bpy.data.images.remove(image)
            self.retired, self.filmed = [], False
        if old:
            self.retired.append(old)
        self.background.inputs["Strength"].default_value = strength
        return heaven

    @staticmethod
    def daylight(heaven, place):
        """What a white ground would send back, of the sky's mean light and the sun's."""
        return heaven + place["sun"]["strength"] / math.pi * math.sin(math.radians(place["sun"]["height_deg"]))

    def dress_sun(self, place):
        sun, low = place["sun"], math.exp(-place["sun"]["height_deg"] / 12)
        self.sun.data.energy, self.sun.data.angle, self.sun.data.color = sun["strength"], sun["angle"], (1, 1 - .3 * low, 1 - .65 * low)
        self.sun.rotation_euler = Euler((math.radians(90 - sun["height_deg"]), 0, math.radians(sun["azimuth_deg"])))

    def expose(self, rng, heaven, place):
        """As a camera's meter would: between what the ground reflects and what things in general do."""
        place["exposure"] = round(float(np.clip(np.log2(rng.uniform(.13, .26) / (self.daylight(heaven, place) * (.45 * self.earth.mean() + .1))), -4, 4)), 3)
        self.scene.view_settings.exposure = place["exposure"]

    def film(self, camera, size, next_camera=None):
        """The camera of K, R, t (OpenCV) as Blender's; `next_camera`: where it is a frame later, for motion blur."""
        self.filmed = True
        self.camera.data.lens = camera["K"][0, 0] * SENSOR_MM / size[0]
        self.scene.render.resolution_x, self.scene.render.resolution_y = size
        here = blender_matrix(camera)
        if next_camera is None:
            if self.moving:
                self.camera.animation_data_clear()
                self.moving = None
            self.camera.matrix_world = here
            return
        if not self.moving:
            self.moving = keys.new_action(self.camera, "Camera")
        there = blender_matrix(next_camera)
        a, b = here.to_quaternion(), there.to_quaternion()
        b = -b if a.dot(b) < 0 else b
        keys.write(self.moving, "location", [NOW, NOW + 1], [here.translation, there.translation])
        keys.write(self.moving, "rotation_quaternion", [NOW, NOW + 1], [a, b])
        for curve in self.moving.fcurves:
            curve.extrapolation = "LINEAR"  # the shutter opens before the frame
        self.scene.frame_set(NOW)


def blender_matrix(camera):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = camera["R"].T @ np.diag([1, -1, -1]), -camera["R"].T @ camera["t"]
    return Matrix(matrix.tolist())


def tune(scene):
    """Cycles for small pictures on CPU cores: one thread a process, one process a core."""
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device, cycles.use_denoising, cycles.denoiser = "CPU", True, "OPENIMAGEDENOISE"
    cycles.denoising_input_passes, cycles.denoising_quality = "RGB", "FAST"
    cycles.use_adaptive_sampling = False
    cycles.max_bounces = cycles.diffuse_bounces = 1
    cycles.glossy_bounces = cycles.transmission_bounces = 0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.use_light_tree, cycles.pixel_filter_type = False, "BOX"
    cycles.use_fast_gi, cycles.fast_gi_method, cycles.ao_bounces_render = True, "REPLACE", 1  # near things hide the sky and the ground's light, far ones reflect nothing
    scene.world.light_settings.distance = NEAR_M
    cycles.debug_bvh_type, cycles.sampling_pattern = "STATIC_BVH", "BLUE_NOISE"
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


def dull(name):
    """A material without any gloss: for what fills most of a picture, where Blender's general shader costs a sixth of the whole render and shows no difference."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    nodes = made.node_tree.nodes
    nodes.remove(shader(made))
    made.node_tree.links.new(nodes.new("ShaderNodeBsdfDiffuse").outputs[0], next(n for n in nodes if n.type == "OUTPUT_MATERIAL").inputs["Surface"])
    return made


def textured(name, image, scale, amount):
    """A material coloured by the attribute `paint`, times a pattern that lies on every side of things; `scale` in 1/m."""
    made = dull(name)
    new, link = made.node_tree.nodes.new, made.node_tree.links.new
    paint, where, scaled, pattern, light, colour = (new(f"ShaderNode{n}") for n in ("VertexColor", "TexCoord", "VectorMath", "TexImage", "Math", "VectorMath"))
    paint.layer_name = "paint"
    pattern.name, pattern.image, pattern.projection, pattern.projection_blend = "Pattern", image, "BOX", .1
    scaled.operation, scaled.inputs["Scale"].default_value = "SCALE", scale
    light.operation, light.inputs[1].default_value, light.inputs[2].default_value = "MULTIPLY_ADD", amount, 1 - .5 * amount
    colour.operation = "SCALE"
    link(where.outputs["Object"], scaled.inputs[0]), link(scaled.outputs[0], pattern.inputs["Vector"]), link(pattern.outputs["Color"], light.inputs[0])
    link(paint.outputs["Color"], colour.inputs[0]), link(light.outputs[0], colour.inputs["Scale"]), link(colour.outputs[0], shader(made).inputs["Color"])
    return made


def shader(made):
    return next(n for n in made.node_tree.nodes if n.type in ("BSDF_PRINCIPLED", "BSDF_DIFFUSE"))
