# SPDX-License-Identifier: GPL-3.0-or-later
"""KinEquiMation in Blender: the horse's rig, its bare skeleton, and a motion clip on both.

The modules are used by the scripts beside this folder; as an extension they are a panel in the 3D view's sidebar.
"""


def register():
    from . import ui  # not above: the numpy modules are also read without Blender
    ui.register()


def unregister():
    from . import ui
    ui.unregister()
