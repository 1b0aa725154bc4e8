#!/bin/sh
# Says, in one line, what this machine lacks for KinEquiMation and how to get it (Debian's names). Usage: check_machine.sh [PYTHON] [--missing]
# --missing prints the package names alone, for .ci/run. Exit 1 when something is missing.
python=${1:-python3.11}
say() { if [ "$2" = --missing ]; then echo "$1"; else echo "This machine lacks: $1. Install with: apt-get install -y $1   (as root, or with sudo)" >&2; fi; exit 1; }

if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    [ "$2" = --missing ] || echo "Expected Python 3.11 (Blender's bpy wheel exists for no other), but '$python' is not there or is another version. Have it elsewhere? make PYTHON=/path/to/python3.11" >&2
    say "python3.11 python3.11-venv" "$2"
fi
missing=$("$python" - <<'PY'
import ctypes, importlib.util, sys
need = {  # what bpy and OpenCV link against -> Debian's package
    'libX11.so.6': 'libx11-6', 'libXrender.so.1': 'libxrender1', 'libXfixes.so.3': 'libxfixes3', 'libXi.so.6': 'libxi6',
    'libXext.so.6': 'libxext6', 'libxkbcommon.so.0': 'libxkbcommon0', 'libSM.so.6': 'libsm6', 'libICE.so.6': 'libice6',
    'libGL.so.1': 'libgl1', 'libEGL.so.1': 'libegl1', 'libgthread-2.0.so.0': 'libglib2.0-0', 'libstdc++.so.6': 'libstdc++6'}
def lacks(soname):
    try: ctypes.CDLL(soname)
    except OSError: return True
packages = [] if importlib.util.find_spec('ensurepip') else ['python3.11-venv']
if sys.platform == 'linux': packages += [package for soname, package in need.items() if lacks(soname)]
print(*packages)
PY
) || exit 1
[ -z "$missing" ] || say "$missing" "$2"
