# SPDX-License-Identifier: GPL-3.0-or-later
"""KinEquiMation in Blender: the horse's rig, its bare skeleton, and a motion clip on both."""
