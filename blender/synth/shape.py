# SPDX-License-Identifier: GPL-3.0-or-later
"""The horse's skin at rest: a distance field of sections and muscles, the skin cut from it, and how it changes from horse to horse.

A distance field joins forms without the pits and lumps of welded meshes: a smooth minimum gives flesh where
two muscles meet. Axes are Blender's: the horse faces -Y, its left is +X, Z is up, the ground is z = 0, metres.
Everything is modelled for x >= 0 and mirrored."""
import bmesh
import bpy
import numpy as np

ROWS, TAIL_ROWS = 9, 26  # vertices of a strand of the mane, of the tail
STEP, COARSE = .009, .016  # metres a voxel of the skin; of the fields between which it changes its form
EYES, EYE_RADIUS = (.168, .066, .0715), .0255  # an eyeball's centre: along, out of, and to the side of the head's axes (`on_head`)
NOSTRIL, MOUTH = (.556, .028, .060), -.040  # where the nostril is (along, out, side); how far out the line of the lips is
LOW, HIGH = np.array([-.43, -1.80, -.03]), np.array([.43, 1.10, 2.10])

# Trunk: y, top z, bottom z, half width, exponent of the top (2 = round, less = sharp, as at the withers)
TRUNK = np.array([
    [.99, 1.400, 1.260, .045, 2.0], [.965, 1.442, 1.190, .095, 2.0], [.92, 1.490, 1.110, .158, 2.0], [.84, 1.548, 1.075, .222, 2.1],
    [.70, 1.592, 1.025, .262, 2.1], [.55, 1.613, .990, .278, 2.0], [.40, 1.612, .955, .272, 2.0], [.25, 1.592, .912, .272, 2.0],
    [.10, 1.566, .872, .290, 2.0], [-.05, 1.550, .848, .303, 2.0], [-.20, 1.555, .836, .300, 1.9], [-.33, 1.576, .832, .280, 1.7],
    [-.45, 1.606, .840, .258, 1.5], [-.56, 1.615, .865, .240, 1.45], [-.68, 1.580, .920, .228, 1.5], [-.78, 1.510, 1.000, .205, 1.8],
    [-.85, 1.410, 1.080, .165, 2.0], [-.90, 1.330, 1.150, .100, 2.0], [-.915, 1.290, 1.190, .050, 2.0]])

# Neck and head: along an axis in the median plane; t, top (crest or forehead side), bottom (throat or jaw side), half width, exponent
NECK_AXIS = (np.array([-.60, 1.36]), np.array([-.811, .585]), np.array([.585, .811]))
NECK = np.array([
    [-.12, .22, -.24, .20, 2.0], [.02, .255, -.295, .205, 1.6], [.14, .238, -.290, .182, 1.5], [.27, .210, -.262, .150, 1.45],
    [.40, .187, -.232, .126, 1.45], [.55, .155, -.202, .108, 1.5], [.68, .126, -.178, .097, 1.6], [.80, .097, -.155, .090, 1.8],
    [.90, .064, -.125, .082, 2.0], [.96, .03, -.08, .060, 2.0]])
HEAD_AXIS = (np.array([-1.301, 1.828]), np.array([-.585, -.811]), np.array([-.811, .585]))
HEAD = np.array([
    [-.085, .02, -.04, .035, 2.0], [-.05, .060, -.08, .066, 2.0], [.02, .090, -.115, .084, 2.2], [.09, .103, -.150, .092, 2.4],
    [.16, .105, -.182, .097, 2.6], [.23, .098, -.194, .092, 2.5], [.30, .087, -.182, .080, 2.4], [.37, .077, -.146, .067, 2.3],
    [.44, .069, -.110, .060, 2.2], [.50, .065, -.095, .059, 2.2], [.55, .062, -.090, .062, 2.2], [.595, .052, -.086, .060, 2.2],
    [.630, .032, -.074, .045, 2.1], [.655, .008, -.052, .028, 2.0], [.665, -.005, -.035, .012, 2.0]])

# Legs: horizontal sections; z, centre x, centre y, half x, half y
FORE = np.array([
    [1.06, .150, -.590, .075, .140], [.96, .158, -.560, .078, .128], [.88, .162, -.545, .074, .112], [.80, .164, -.538, .066, .094],
    [.72, .164, -.536, .057, .076], [.64, .164, -.537, .048, .061], [.57, .164, -.539, .041, .050], [.525, .164, -.541, .044, .048],
    [.48, .164, -.543, .047, .052], [.44, .164, -.537, .043, .049], [.40, .164, -.531, .036, .043], [.33, .164, -.524, .030, .038],
    [.27, .164, -.518, .031, .040], [.225, .164, -.512, .038, .051], [.19, .164, -.516, .037, .049], [.155, .164, -.537, .032, .042],
    [.12, .164, -.556, .034, .042], [.09, .164, -.568, .040, .046], [.06, .164, -.574, .040, .046]])
# a hoof turns about its toe, the end of its bone: nothing of it may lie in front of that, or it digs into the ground
FORE_HOOF = np.array([[.108, .164, -.562, .038, .042], [.085, .164, -.565, .047, .050], [.0, .164, -.575, .060, .063], [-.03, .164, -.577, .064, .065]])
HIND = np.array([
    [1.42, .105, .770, .060, .150], [1.34, .130, .772, .085, .205], [1.24, .155, .758, .098, .225], [1.12, .170, .722, .099, .212], [1.00, .180, .680, .090, .175], [.92, .186, .678, .079, .143],
    [.84, .190, .690, .066, .110], [.76, .193, .717, .053, .082], [.70, .193, .742, .044, .066], [.655, .193, .763, .044, .068],
    [.61, .193, .768, .046, .068], [.56, .193, .760, .044, .060], [.51, .193, .747, .038, .048], [.44, .193, .734, .033, .042],
    [.34, .193, .716, .031, .040], [.27, .193, .702, .033, .043], [.215, .193, .690, .040, .053], [.18, .193, .683, .038, .049],
    [.15, .193, .664, .033, .043], [.12, .193, .643, .035, .042], [.09, .193, .629, .040, .046], [.06, .193, .622, .040, .046]])
HIND_HOOF = np.array([[.112, .193, .640, .038, .042], [.09, .193, .643, .046, .048], [.0, .193, .652, .057, .061], [-.03, .193, .653, .06, .063]])

# Muscles and bony points: round cones, (x, y, z, radius) twice
CONES = {
    'scapula': ((.125, -.52, 1.50, .070), (.165, -.700, 1.16, .100)), 'triceps': ((.165, -.45, 1.22, .090), (.160, -.525, .93, .075)),
    'arm': ((.142, -.700, 1.15, .105), (.160, -.590, .96, .085)), 'breast': ((.080, -.770, 1.13, .098), (.095, -.640, 1.00, .098)),
    'elbow': ((.158, -.468, .870, .030), (.160, -.505, .90, .040)),
    'quadriceps': ((.150, .55, 1.38, .135), (.185, .535, 1.07, .098)), 'hamstring': ((.120, .872, 1.32, .098), (.172, .790, 1.02, .085)),
    'gluteus': ((.130, .45, 1.50, .110), (.175, .68, 1.36, .120)), 'stifle': ((.192, .520, 1.06, .070), (.192, .550, .98, .065)),
    'hock': ((.193, .830, .672, .018), (.193, .800, .610, .026)), 'achilles': ((.193, .826, .690, .018), (.190, .790, .86, .032)),
    'ergot_f': ((.164, -.475, .215, .018), (.164, -.485, .245, .02)), 'ergot_h': ((.193, .727, .208, .018), (.193, .720, .24, .02)),
    'dock': ((.0, .86, 1.475, .060), (.0, .985, 1.452, .036)),
}


def standard_form():
    """The tables of the standard horse, to be changed at will."""
    return {"trunk": TRUNK.copy(), "neck": NECK.copy(), "head": HEAD.copy(), "fore": FORE.copy(), "hind": HIND.copy(), "cones": dict(CONES)}


def bump(at, centre, width):
    return np.exp(-((at - centre) / width) ** 2)


def _belly(form):
    y = form["trunk"][:, 0]
    form["trunk"][:, 2] -= .085 * bump(y, .05, .38)
    form["trunk"][:, 3] += .034 * bump(y, .05, .38) + .012 * bump(y, .65, .25)


def _lean(form):
    """Hollow flanks, a sharp croup and points of the hip, flat quarters, a thin neck."""
    y = form["trunk"][:, 0]
    form["trunk"][:, 3] -= .080 * bump(y, .34, .17) + .030 * bump(y, .75, .25) + .026 * bump(y, -.25, .25)
    form["trunk"][:, 4] -= .25 * bump(y, .4, .5)
    form["trunk"][:, 2] += .045 * bump(y, .30, .25)
    form["neck"][:, 1] -= .022 * bump(form["neck"][:, 0], .45, .3)
    form["neck"][:, 3] -= .016
    form["hind"][:, 3] -= .014 * bump(form["hind"][:, 0], 1.15, .3)
    for name in ("hamstring", "gluteus", "quadriceps"):
        form["cones"][name] = tuple((*end[:3], end[3] * .86) for end in form["cones"][name])
    form["cones"]["hip"] = ((.222, .430, 1.480, .034), (.160, .50, 1.50, .040))


def _muscle(form):
    for name in ("scapula", "triceps", "arm", "breast", "quadriceps", "hamstring", "gluteus"):
        form["cones"][name] = tuple((*end[:3], end[3] * 1.13) for end in form["cones"][name])
    for table, where in ((form["hind"], .84), (form["fore"], .78)):
        table[:, 3:5] *= 1 + .16 * bump(table[:, 0:1], where, .16)
    form["neck"][:, 3] += .018 * bump(form["neck"][:, 0], .35, .35)
    form["trunk"][:, 3] += .020 * bump(form["trunk"][:, 0], .65, .3)


def _crest(form):
    t = form["neck"][:, 0]
    form["neck"][:, 1] += .060 * bump(t, .50, .28)
    form["neck"][:, 2] -= .030 * bump(t, .45, .35)
    form["neck"][:, 3] += .022 * bump(t, .45, .35)
    form["neck"][:, 4] += .25 * bump(t, .5, .3)


def _dish(form):
    t = form["head"][:, 0]
    form["head"][:, 1] += .008 * bump(t, .09, .07) - .022 * bump(t, .37, .10) - .006 * bump(t, .58, .06)
    form["head"][:, 2] += .014 * bump(t, .50, .10)
    form["head"][:, 3] -= .006 * bump(t, .52, .10)


def _dome(form):
    """A foal: a round forehead, a small jaw, a short fine muzzle, and joints too big for its thin legs."""
    t = form["head"][:, 0]
    form["head"][:, 1] += .032 * bump(t, .08, .10) - .016 * bump(t, .40, .10)
    form["head"][:, 2] += .050 * bump(t, .24, .13) + .020 * bump(t, .52, .12)
    form["head"][:, 3] *= 1 - .16 * bump(t, .52, .15)
    for table, carpus in ((form["fore"], .49), (form["hind"], .63)):
        z = table[:, 0:1]
        table[:, 3:5] *= 1 + .16 * bump(z, carpus, .06) + .14 * bump(z, .21, .04) - .10 * bump(z, .34, .05)


VARIATIONS = {"belly": _belly, "lean": _lean, "muscle": _muscle, "crest": _crest, "dish": _dish, "dome": _dome}


def _smooth_max(a, b, k):
    h = np.clip(.5 - .5 * (b - a) / k, 0, 1)
    return b + (a - b) * h + k * h * (1 - h)


def _profile(table, t):
    "Columns of a section table at `t`, smooth (Catmull-Rom) between the rows and clamped at the ends."
    table = table[np.argsort(table[:, 0])]
    s, v = table[:, 0], table[:, 1:]
    m = np.gradient(v, s, axis=0)
    i = np.clip(np.searchsorted(s, t) - 1, 0, len(s) - 2)
    h = (s[i + 1] - s[i])[..., None]
    u = (np.clip((t - s[i]) / h[..., 0], 0, 1))[..., None]
    return ((2*u**3 - 3*u**2 + 1) * v[i] + (u**3 - 2*u**2 + u) * h * m[i] + (-2*u**3 + 3*u**2) * v[i + 1] + (u**3 - u**2) * h * m[i + 1])


class Field:
    "A half grid (x >= 0 and a margin) of distances on which forms are joined; each form touches its own box only."

    def __init__(self, step=STEP):
        self.step = step
        self.n_margin = 3
        self.x = (np.arange(-self.n_margin, int(HIGH[0] / step) + 1)) * step
        self.y, self.z = np.arange(LOW[1], HIGH[1], step), np.arange(LOW[2], HIGH[2], step)
        self.d = np.full((len(self.x), len(self.y), len(self.z)), .2, np.float32)

    def _window(self, low, high, pad=.10):
        sl = tuple(slice(max(np.searchsorted(a, lo - pad) - 1, 0), np.searchsorted(a, hi + pad) + 1)
                   for a, lo, hi in zip((self.x, self.y, self.z), low, high))
        return sl, self.x[sl[0]][:, None, None], self.y[sl[1]][None, :, None], self.z[sl[2]][None, None, :]

    def _join(self, sl, d, k, cut=False):
        old = self.d[sl]
        if cut:
            self.d[sl] = _smooth_max(old, -d, k)
            return
        h = np.clip(.5 + .5 * (d - old) / k, 0, 1)
        self.d[sl] = d + (old - d) * h - k * h * (1 - h)

    @staticmethod
    def _section(rho, *radii):
        "A rough distance from a super-ellipse's norm: exact on the surface, right in its sign."
        return (rho - 1) * sum(radii) / len(radii)

    def trunk(self, table, k):
        sl, x, y, z = self._window((0, table[:, 0].min(), .70), (.40, table[:, 0].max(), 1.75), k + .06)
        p = _profile(table, y[0, :, 0])
        top, bottom, width, power = (p[None, :, i, None] for i in range(4))
        centre = bottom + .47 * (top - bottom)                          # a barrel is widest below its middle
        up = np.clip((z - centre) / (top - centre), 0, None)
        down = np.clip((centre - z) / (centre - bottom), 0, None)
        rho = (np.abs(x / width) ** 2.1 + up ** (power * 1.1) + down ** 2.1) ** (1 / 2.1)
        d = self._section(rho, width, (top - bottom) / 2)
        ends = np.maximum(table[:, 0].min() - y, y - table[:, 0].max())
        self._join(sl, _smooth_max(d, ends + 0 * d, .03).astype(np.float32), k)

    def median_loft(self, table, axis, k, low, high):
        origin, along, normal = axis
        sl, x, y, z = self._window(low, high, k + .02)
        t = (y - origin[0]) * along[0] + (z - origin[1]) * along[1]
        n = (y - origin[0]) * normal[0] + (z - origin[1]) * normal[1]
        p = _profile(table, t[0])
        top, bottom, width, power = (p[None, ..., i] for i in range(4))
        centre = .5 * (top + bottom)
        half = .5 * (top - bottom)
        e = np.where(n > centre, power, 2.2)
        rho = (np.abs(x / width) ** 2.1 + (np.abs(n - centre) / half) ** e) ** (1 / 2.1)
        d = self._section(rho, width, half)
        ends = np.maximum(table[:, 0].min() - t, t - table[:, 0].max())
        self._join(sl, _smooth_max(d, ends + 0 * d, .02).astype(np.float32), k)

    def leg(self, table, k, floor=False, power=2.0):
        sl, x, y, z = self._window((table[:, 1].min() - .12, table[:, 2].min() - .25, table[:, 0].min()),
                                   (table[:, 1].max() + .12, table[:, 2].max() + .25, table[:, 0].max()), k + .02)
        p = _profile(table, z[0, 0])
        cx, cy, hx, hy = (p[None, None, :, i] for i in range(4))
        rho = ((np.abs(x - cx) / hx) ** power + (np.abs(y - cy) / hy) ** power) ** (1 / power)
        d = self._section(rho, hx, hy)
        ends = np.maximum(table[:, 0].min() - z, z - table[:, 0].max())
        d = _smooth_max(d, ends + 0 * d, .02)
        self._join(sl, d.astype(np.float32), k)

    def cone(self, a, b, k, cut=False):
        a, b = np.array(a), np.array(b)
        r = max(a[3], b[3])
        sl, x, y, z = self._window(np.minimum(a, b)[:3] - r, np.maximum(a, b)[:3] + r, k + .02)  # farther out a smooth union changes nothing
        ab = (b - a)[:3]
        t = np.clip(((x - a[0]) * ab[0] + (y - a[1]) * ab[1] + (z - a[2]) * ab[2]) / (ab @ ab), 0, 1)
        q = np.sqrt((x - a[0] - t * ab[0]) ** 2 + (y - a[1] - t * ab[1]) ** 2 + (z - a[2] - t * ab[2]) ** 2)
        self._join(sl, (q - (a[3] + t * (b[3] - a[3]))).astype(np.float32), k, cut)

    def ellipsoid(self, centre, axes, radii, k, cut=False):
        "`axes`: rows are the ellipsoid's unit axes."
        c, A, r = np.array(centre), np.array(axes, float), np.array(radii)
        sl, x, y, z = self._window(c - r.max(), c + r.max(), k + .02)
        u = [((x - c[0]) * A[i, 0] + (y - c[1]) * A[i, 1] + (z - c[2]) * A[i, 2]) / r[i] for i in range(3)]
        self._join(sl, ((np.sqrt(u[0]**2 + u[1]**2 + u[2]**2) - 1) * r.min()).astype(np.float32), k, cut)

    def mirrored(self):
        "The whole grid, both sides; returns (values, origin)."
        right = self.d[self.n_margin + 1:][::-1]
        return np.concatenate([right, self.d[self.n_margin:]], 0), np.array([-self.x[-1], LOW[1], LOW[2]])


def on_head(t, n, x=0.):
    "A point of the head's own axes (along from the poll, out of the forehead, sideways) in the rest pose."
    o, a, m = HEAD_AXIS
    yz = o + t * a + n * m
    return np.array([x, yz[0], yz[1]])


def head_coordinates(v):
    "(along, out, side) of points (N,3) in the head's axes: the inverse of `on_head`."
    o, a, m = HEAD_AXIS
    r = v[:, 1:] - o
    return r @ a, r @ m, v[:, 0]


def _ears(field):
    root, tip = np.array([.060, -1.338, 1.858]), np.array([.122, -1.415, 2.052])
    axis = (tip - root) / np.linalg.norm(tip - root)
    facing = np.array([.55, -.83, -.1])
    facing -= axis * (facing @ axis)
    facing /= np.linalg.norm(facing)
    side = np.cross(axis, facing)
    frame = (axis, side, facing)
    middle = .5 * (root + tip)
    field.ellipsoid(middle - .022 * axis, frame, (.104, .042, .032), .012)
    field.cone((*(middle + .02 * axis), .028), (*(tip + .006 * axis - .012 * np.array([1, 0, 0])), .007), .02)  # runs to a point, inwards
    field.ellipsoid(middle + .005 * axis + .032 * facing, frame, (.092, .026, .030), .008, cut=True)


def _face(field):
    """What makes a head a horse's: jaw and cheek bone, lids and eye sockets, nostrils, lips."""
    across = (np.array([0, *HEAD_AXIS[1]]), np.array([0, *HEAD_AXIS[2]]), np.array([1., 0, 0]))
    field.cone((*on_head(.205, -.085, .062), .050), (*on_head(.215, -.110, .050), .075), .03)  # jaw disc
    field.cone((*on_head(.20, .035, .078), .020), (*on_head(.33, -.005, .060), .012), .025)    # facial crest
    field.ellipsoid(on_head(.160, .062, .052), np.eye(3), (.036, .058, .056), .035)            # brow
    field.cone((*on_head(.140, .078, .076), .010), (*on_head(.194, .087, .074), .010), .014)   # upper lid
    field.cone((*on_head(.145, .046, .080), .010), (*on_head(.196, .050, .078), .009), .014)   # lower lid
    x, y, z = EYES
    field.ellipsoid(on_head(x, y, z + .030), across, (.030, .0155, .026), .006, cut=True)      # the opening between the lids
    field.cone((*on_head(.530, .020, .036), .024), (*on_head(.585, .010, .032), .028), .02)    # nostril's flare
    field.ellipsoid(on_head(NOSTRIL[0], NOSTRIL[1], NOSTRIL[2] + .004), across, (.028, .014, .026), .005, cut=True)
    field.cone((*on_head(.600, -.062, .0), .028), (*on_head(.565, -.080, .0), .030), .02)      # chin
    field.cone((*on_head(.560, MOUTH, .064), .008), (*on_head(.655, MOUTH + .008, .028), .009), .006, cut=True)


def horse_field(step=STEP, form=None):
    "The distance field of the whole horse without hair. Returns (values (X,Y,Z) float32, origin (3,) m)."
    f, form = Field(step), form or standard_form()
    f.trunk(form["trunk"], .02)
    f.median_loft(form["neck"], NECK_AXIS, .10, (0, -1.50, .95), (.25, -.30, 2.0))
    f.leg(form["fore"], .05)
    f.leg(form["hind"], .06)
    for name, (a, b) in form["cones"].items():
        small = min(a[3], b[3]) < .03
        f.cone(a, b, .03 if small else .09)
    f.median_loft(form["head"], HEAD_AXIS, .045, (0, -1.78, 1.22), (.13, -1.18, 1.97))
    _face(f)
    _ears(f)
    f.leg(FORE_HOOF, .006)
    f.leg(HIND_HOOF, .006)
    values, origin = f.mirrored()
    floor = (0.0 - (origin[2] + np.arange(values.shape[2]) * step)).astype(np.float32)
    return np.maximum(values, floor[None, None, :]), origin


def surface_nets(values, origin, step):
    "Naive surface nets: one vertex in each cell that the surface crosses, one quad for each crossed edge. Outward faces."
    inside = values < 0
    total = np.zeros(tuple(s - 1 for s in values.shape), np.uint8)
    for o in np.ndindex(2, 2, 2):
        total += inside[tuple(slice(a, a + s) for a, s in zip(o, total.shape))]
    cells = np.argwhere((total > 0) & (total < 8))
    index = np.full(total.shape, -1, np.int32)
    index[tuple(cells.T)] = np.arange(len(cells))
    sums, count = np.zeros((len(cells), 3)), np.zeros(len(cells))
    corners = list(np.ndindex(2, 2, 2))
    for a in corners:
        for b in corners:
            if sum(b) - sum(a) != 1 or any(q < p for p, q in zip(a, b)):
                continue
            va, vb = (values[tuple((cells + np.array(c)).T)] for c in (a, b))
            hit = (va < 0) != (vb < 0)
            t = np.where(hit, va / np.where(hit, va - vb, 1), 0)[:, None]
            sums += np.where(hit[:, None], np.array(a) + t * (np.array(b) - np.array(a)), 0)
            count += hit
    vertices = origin + step * (cells + sums / count[:, None])
    faces = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        first = [slice(1, -1)] * 3
        first[axis] = slice(0, -1)
        second = list(first)
        second[axis] = slice(1, None)
        lo, hi = inside[tuple(first)], inside[tuple(second)]
        at = np.argwhere(lo != hi)
        flip = ~lo[tuple(at.T)]
        at = at + np.array([0 if i == axis else 1 for i in range(3)])
        du, dv = np.eye(3, dtype=int)[u], np.eye(3, dtype=int)[v]
        quad = np.stack([index[tuple(c.T)] for c in (at - du - dv, at - dv, at, at - du)], 1)
        quad[flip] = quad[flip][:, ::-1]
        faces.append(quad)
    return vertices, np.concatenate(faces)


class Sampler:
    "Distance and outward direction at any point, from the grid: hair is laid on the skin with it."

    def __init__(self, values, origin, step):
        self.values, self.origin, self.step = values, origin, step

    def distance(self, p):
        q = np.clip((p - self.origin) / self.step, 0, np.array(self.values.shape) - 1.001)
        i = q.astype(int)
        f = q - i
        out = np.zeros(len(p))
        for o in np.ndindex(2, 2, 2):
            w = np.prod(np.where(np.array(o), f, 1 - f), axis=1)
            out += w * self.values[tuple((i + np.array(o)).T)]
        return out

    def slope(self, p, reach=.012):
        return np.stack([self.distance(p + reach * e) - self.distance(p - reach * e) for e in np.eye(3)], 1) / (2 * reach)

    def push_out(self, p, gap, hold=0.0):
        "Points moved along the field's slope until they lie `gap` metres outside the skin; `hold` (m a step) draws those back that lie farther out."
        for _ in range(4):
            d, g = self.distance(p), self.slope(p)
            p = p + g * (np.clip(gap - d, -hold, .03) / np.maximum((g ** 2).sum(1), .04))[:, None]
        return p


def sheet_faces(n_columns, n_rows, closed=False):
    i = np.arange(n_columns if closed else n_columns - 1)
    j = np.arange(n_rows - 1)
    a = (i[:, None] * n_rows + j).ravel()
    b = (((i + 1) % n_columns)[:, None] * n_rows + j).ravel()
    return np.stack([a, b, b + 1, a + 1], 1)


def ball(centre, radius, n=10):
    "A small sphere of quads (poles as fans of thin quads)."
    th, ph = np.linspace(0, np.pi, n), np.arange(2 * n) * np.pi / n
    v = np.stack([np.sin(th)[None] * np.cos(ph)[:, None], np.sin(th)[None] * np.sin(ph)[:, None], np.cos(th)[None] + 0 * ph[:, None]], -1)
    return centre + radius * v.reshape(-1, 3), sheet_faces(2 * n, n, closed=True)


def body():
    """((vertices (V,3) m, triangles), Sampler): the skin without hair, some 28,000 triangles, closed; always the same horse."""
    values, origin = horse_field()
    sampler = Sampler(values, origin, STEP)
    vertices, triangles = thinned(*surface_nets(values, origin, STEP))
    return (averaged(laid(vertices, sampler, n=2), triangles, n=1), triangles), sampler


def eyes():
    return joined(*[ball(on_head(*EYES[:2], side * EYES[2]), EYE_RADIUS) for side in (1, -1)])


def variations(vertices, triangles):
    """{name: (V,3) m}: where the skin goes when a trait (a fat belly, a crest, a dished face ...) is there in full.

    The skin is laid upon the standard horse's field and upon the changed one; the difference is the change, without the grain of the grids."""
    plain = laid(vertices, Sampler(*horse_field(COARSE), COARSE))
    out = {}
    for name, change in VARIATIONS.items():
        form = standard_form()
        change(form)
        out[name] = averaged(laid(vertices, Sampler(*horse_field(COARSE, form), COARSE)) - plain, triangles, n=4)
    return out


def laid(points, sampler, n=6):
    """Points moved along the field's slope onto the surface."""
    for _ in range(n):
        d, g = sampler.distance(points), sampler.slope(points)
        points = points - g * (np.clip(d, -.02, .02) / np.maximum((g ** 2).sum(1), .09))[:, None]
    return points


def averaged(values, triangles, n):
    """Values at the vertices (V,k) averaged `n` times with those of the neighbours on the mesh."""
    a, b = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).T
    count = np.maximum(np.bincount(a, minlength=len(values)), 1)[:, None]
    for _ in range(n):
        around = np.stack([np.bincount(a, column[b], len(values)) for column in values.T], 1)
        values = .5 * values + .5 * around / count
    return values


def normals(vertices, triangles):
    """(V,3) outward unit normals."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    out = np.stack([np.bincount(triangles.ravel(), np.repeat(face[:, k], 3), len(vertices)) for k in range(3)], 1)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def joined(*meshes):
    start = np.cumsum([0] + [len(v) for v, _ in meshes])
    return np.concatenate([v for v, _ in meshes]), np.concatenate([f + s for (_, f), s in zip(meshes, start)])


def thinned(vertices, faces, n_triangles=15_000, longest=.045):
    """The skin smoothed and thinned by Blender, which keeps detail where the skin bends; edges longer than `longest` (m) are then halved, since coats are painted on vertices."""
    made = mesh_object(vertices, faces, "body")
    bpy.context.view_layer.objects.active = made
    smooth = made.modifiers.new("smooth", "SMOOTH")
    smooth.factor, smooth.iterations = .5, 3
    made.modifiers.new("thin", "DECIMATE").ratio = n_triangles / (2 * len(faces))
    for modifier in list(made.modifiers):
        bpy.ops.object.modifier_apply(modifier=modifier.name)
    mesh = bmesh.new()
    mesh.from_mesh(made.data)
    for _ in range(2):
        bmesh.ops.subdivide_edges(mesh, edges=[e for e in mesh.edges if e.calc_length() > longest], cuts=1)
        bmesh.ops.triangulate(mesh, faces=mesh.faces)
    mesh.verts.index_update()
    out, corners = np.array([v.co for v in mesh.verts], float), np.array([[v.index for v in f.verts] for f in mesh.faces])
    mesh.free()
    bpy.data.objects.remove(made, do_unlink=True)
    return out, corners


def mesh_object(vertices, faces, name):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(np.asarray(vertices).tolist(), [], np.asarray(faces).tolist())
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made
