# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands that retarget ask for alike: said once, so that each says it in the same words."""
from pathlib import Path

from . import retarget


def of_clip(parser):
    """Which part of the clip, and what its action is called."""
    parser.add_argument("--name", help="what the action is called; the clip's file name if left out")
    parser.add_argument("--frames", type=int, nargs=2, metavar=("FIRST", "LAST"), help="a part of the clip, counted from 1, both included; 0 as LAST is its end")


def of_keys(parser):
    """How any armature is keyed."""
    parser.add_argument("--in-place", action="store_true", help="without the way that the horse covers")
    parser.add_argument("--reduce", type=float, nargs=2, metavar=("MM", "DEGREES"), help="fewer keys, so that curves can be edited: how far they may stray; 3 1 is a good start")
    parser.add_argument("--loop", action="store_true", help="the cleanest stride alone, repeating itself")


def of_controls(parser):
    """Which of Rigify's controls are keyed."""
    parser.add_argument("--mapping", type=Path, default=retarget.MAPPINGS / "horse.json", help="which control takes which bone's motion (JSON); for Rigify's horse if left out")
    parser.add_argument("--limbs", choices=retarget.LIMBS, default="IK", help="which controls the legs listen to; both are keyed")
