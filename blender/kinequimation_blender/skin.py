# SPDX-License-Identifier: GPL-3.0-or-later
"""The horse's body, as it comes with the built extension: one mesh, its weights and its coat, from a file of numbers."""
from pathlib import Path

import bpy
import numpy as np

from .files import find_skeleton, read_skeleton
from .scene import bind, paint

FILE = Path(__file__).parent / "skin.npz"


def available():
    return FILE.exists()


def add(armature):
    """The body on the armature's DEF bones; returns the mesh object."""
    with np.load(FILE, allow_pickle=False) as data:
        numbers = dict(data)
    mesh = bpy.data.meshes.new("Horse")
    mesh.from_pydata(numbers["vertices"].tolist(), [], numbers["triangles"].tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    rgba = np.ones((len(mesh.vertices), 4), np.float32)
    rgba[:, :3] = numbers["colours"]
    mesh.attributes.new("coat", "FLOAT_COLOR", "POINT").data.foreach_set("color", rgba.ravel())
    body = bpy.data.objects.new("Horse", mesh)
    bpy.context.scene.collection.objects.link(body)
    add_groups(body, numbers, read_skeleton(find_skeleton())["names"])
    paint(body, "coat")
    bind(body, armature).use_deform_preserve_volume = True
    return body


def add_groups(body, numbers, names):
    """A vertex group for each bone that moves something, named as the rig's DEF bones are."""
    for bone, name in enumerate(names):
        at = np.argwhere((numbers["bones"] == bone) & (numbers["weights"] > 1e-3))
        group = body.vertex_groups.new(name="DEF-" + name) if len(at) else None
        for vertex, k in at:
            group.add([int(vertex)], float(numbers["weights"][vertex, k]), "REPLACE")
