# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of horses that never lived, with exact labels: the horse, its coat, the place it is in, and the camera's answer."""
