# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads back what Cycles wrote: the channels of an uncompressed OpenEXR file of scan lines, by numpy alone."""
import struct

import numpy as np

KINDS = {0: np.uint32, 1: np.float16, 2: np.float32}
MAGIC, TILED_OR_MORE = 20000630, 0x1A00  # bits of the version: tiles, deep data, several parts


def read(path):
    """Dict of channel name -> (h,w) array, top row first. Raises ValueError for any other kind of EXR."""
    data = path.read_bytes()
    magic, version = struct.unpack_from("<ii", data)
    if magic != MAGIC or version & TILED_OR_MORE:
        raise ValueError(f"Expected an OpenEXR file of one part in scan lines, but {path} is something else.")
    header, at = attributes(data, 8)
    if header["compression"] != b"\0":
        raise ValueError(f"Expected an uncompressed OpenEXR file, but {path} is compressed.")
    x0, y0, x1, y1 = struct.unpack("<4i", header["dataWindow"])
    w, h, kinds = x1 - x0 + 1, y1 - y0 + 1, channels(header["channels"])
    # behind a table of offsets: for each line its number, its length, then the channels one after the other
    line = np.dtype([("y", "<i4"), ("bytes", "<i4"), *((name, kind, (w,)) for name, kind in kinds)])
    lines = np.frombuffer(data, line, h, at + 8 * h)
    return {name: lines[name] for name, _ in kinds}


def attributes(data, at):
    """({name: bytes}, where the header ends)."""
    out = {}
    while data[at]:
        name, at = text(data, at)
        _, at = text(data, at)
        size, = struct.unpack_from("<i", data, at)
        out[name], at = data[at + 4:at + 4 + size], at + 4 + size
    return out, at + 1


def channels(data):
    """[(name, numpy type), ...] in the order in which they lie in each line."""
    out, at = [], 0
    while data[at]:
        name, at = text(data, at)
        out.append((name, np.dtype(KINDS[struct.unpack_from("<i", data, at)[0]]).newbyteorder("<")))
        at += 16
    return out


def text(data, at):
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1
