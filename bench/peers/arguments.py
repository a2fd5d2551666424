# The operands that bench/peers/calls/*.txt name, in every dtype. Reproducible: drawn from one seed. Those that are drawn have the dtype
# that is asked about, the others (places, masks, levels) their own. Floating elements are multiples of 2^-5 that differ from each other.
import re

import numpy as np
import torch

PLACES = {  # i64
    "rows": [2, 0, 1, 0],
    "distinct": [2, 0],
    "rows2": [2, 0, 1, 0],
    "columns2": [0, 1, 4, 3],
    "columns4": [0, 1, 4, 1],
    "columns1": [0, 3],
    "columns": [[4, 0, 1, 1], [2, 2, 3, 0], [0, 4, 4, 4]],
    "rows_of": [[2, 0, 1, 1, 0], [1, 1, 2, 0, 0]],
    "from_end": [[-1, 0, -5, 1], [2, -2, 3, 0], [0, 4, -4, 4]],
    "flat": [14, 0, 7, 7, 3],
    "once": [[3], [0], [4]],
    "labels": [2, 0, 4],
    "numbers": [3, 0, 1, 1, 6, 3, 3, 2, 0, 6, 5, 3, 1, 1, 2, 0, 3, 3, 6, 2],
}
MASKS = {"mask": [[1, 0, 1, 1, 0], [0, 0, 1, 0, 1], [1, 1, 0, 0, 1]]}
# name: shape, low, high of floating elements, of integers
DRAWN = {
    "x": ((3, 5), -2, 2, -6, 7), "x2": ((3, 5), -2, 2, -6, 7), "y": ((5,), -2, 2, -6, 7), "y2": ((5,), -2, 2, -6, 7),
    "z": ((3, 1), -2, 2, -6, 7), "pos": ((3, 5), 0.25, 6, 1, 9), "nonzero": ((3, 5), 0.5, 3, 1, 5), "power": ((3, 5), 0, 4, 0, 5),
    "shift": ((3, 5), 0, 4, 0, 6), "unit": ((3, 5), -0.9, 0.9, -1, 2), "chance": ((3, 5), 0.1, 0.9, 0, 2),
    "above": ((3, 5), 1.25, 6, 1, 9), "wide": ((3, 5), -8, 8, -8, 9), "vec": ((7,), -2, 2, -6, 7), "vec2": ((7,), -2, 2, -6, 7),
    "vec3": ((3,), -2, 2, -6, 7), "vec4": ((4,), -2, 2, -6, 7), "vec5": ((5,), -2, 2, -6, 7), "vec20": ((20,), -2, 2, -6, 7),
    "cube": ((2, 3, 4), -2, 2, -6, 7), "thin": ((1, 4, 1), -2, 2, -6, 7), "scalar": ((), -2, 2, -6, 7), "one": ((1,), -2, 2, -6, 7),
    "empty": ((0,), -2, 2, -6, 7), "cell": ((2, 3), -2, 2, -6, 7), "four": ((4, 5), -2, 2, -6, 7), "two": ((2, 5), -2, 2, -6, 7),
    "matrix53": ((5, 3), -2, 2, -6, 7), "matrix43": ((4, 3), -2, 2, -6, 7), "matrix": ((4, 4), -2, 2, -6, 7),
    "batch": ((2, 4, 4), -2, 2, -6, 7), "tall": ((5, 3), -2, 2, -6, 7), "rhs": ((4, 2), -2, 2, -6, 7), "five2": ((5, 2), -2, 2, -6, 7),
    "threes": ((3, 3), -2, 2, -6, 7), "threes2": ((3, 3), -2, 2, -6, 7), "line": ((2, 2, 9), -2, 2, -6, 7),
    "plane": ((2, 4, 5, 7), -2, 2, -6, 7), "solid": ((1, 2, 4, 3, 5), -2, 2, -6, 7), "lineup": ((2, 2, 9), 0.5, 2, 1, 7),
    "planeup": ((2, 2, 5, 7), 0.5, 2, 1, 7), "patches": ((2, 8, 18), -2, 2, -6, 7), "channels": ((2, 8, 2, 3), -2, 2, -6, 7),
    "even": ((2, 2, 4, 6), -2, 2, -6, 7), "kernel1": ((4, 2, 3), -2, 2, -6, 7), "kernel2": ((4, 2, 3, 2), -2, 2, -6, 7),
    "kernel3": ((2, 2, 2, 2, 2), -2, 2, -6, 7), "kernelt1": ((2, 3, 3), -2, 2, -6, 7), "kernelt2": ((4, 2, 2, 3), -2, 2, -6, 7),
    "kernelt3": ((2, 3, 2, 2, 2), -2, 2, -6, 7), "nhwc": ((2, 5, 6, 3), -2, 2, -6, 7), "hwio": ((2, 3, 3, 4), -2, 2, -6, 7),
    "cube24": ((4, 6), -2, 2, -6, 7),
}
MADE = {  # of other draws; `base` draws one
    "ascending": lambda base: np.sort(base((9,))),
    "rising": lambda base: np.sort(base((3, 6)), 1),
    "levels": lambda base: np.array([0, 0.1, 0.5, 0.9375, 1]),
    "lower": lambda base: np.tril(base((4, 4))) + 3 * np.eye(4),
    "spd": lambda base: square(base((4, 4))),
    "spds": lambda base: square(base((2, 4, 4))),
    "symmetric": lambda base: (lambda a: a + a.T)(base((4, 4))),
    "singular": lambda base: np.concatenate([(lambda a: np.concatenate([a, 2 * a[:1]]))(base((3, 4)))]),
    "hyper": lambda base: (base((24, 24)) + 8 * np.eye(24)).reshape(4, 6, 8, 3),
    "zeros44": lambda base: np.zeros((4, 4)),
}
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]
NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "i32": np.int32, "i64": np.int64, "u8": np.uint8, "bool": np.bool_}
TORCH = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i32": torch.int32,
         "i64": torch.int64, "u8": torch.uint8, "bool": torch.bool}
COMPLEX = {"zx": ("x", "x2"), "zy": ("pos", "unit"), "zline": ("line", "lineup")}  # of two real ones
NAMES = list(PLACES) + list(MASKS) + list(DRAWN) + list(MADE) + list(COMPLEX)


def square(a):
    return a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-1])


def used(text):
    """The operands that an expression names."""
    return sorted({word for word in re.findall(r"(?<![\w.:\"])([a-z]\w*)(?!\w|\()", text) if word in NAMES})


def floats(random, shape, low, high):
    count = int(np.prod(shape))
    return np.round(random.permutation(low + (high - low) * (np.arange(count) + 0.5) / max(count, 1)) * 32).reshape(shape) / 32


def drawn(dtype, variant):
    """Every operand as a NumPy array; those of bf16 in f32, rounded."""
    random, out = np.random.default_rng(7), {}
    for name, (shape, low, high, least, most) in DRAWN.items():
        real, whole = floats(random, shape, low, high), random.integers(least, most, shape)
        if variant == "special" and real.size:
            real = np.where(random.random(shape) < 0.5, random.choice(SPECIAL, shape), real)
        if dtype == "u8":
            whole = np.abs(whole) * (40 if least < 0 else 1)
        truth = whole > 0 if least > 0 else whole % 2
        out[name] = truth if dtype == "bool" else real if dtype in ("f64", "f32", "f16", "bf16") else whole
    for name, make in MADE.items():
        whole = dtype not in ("f64", "f32", "f16", "bf16")
        made = make(lambda shape: random.integers(-6, 7, shape) if whole else floats(random, shape, -2, 2))
        out[name] = np.abs(made) if dtype == "u8" and name in ("ascending", "rising") else made
    if dtype == "u8":
        out["ascending"], out["rising"] = np.sort(out["ascending"]), np.sort(out["rising"], 1)
    with np.errstate(over="ignore"):
        out = {name: np.asarray(a).astype(np.float32 if dtype == "bf16" else NUMPY[dtype]) for name, a in out.items()}
    if dtype == "bf16":
        out = {name: torch.from_numpy(a).to(torch.bfloat16).to(torch.float32).numpy() for name, a in out.items()}
    out.update({name: np.array(a, np.int64) for name, a in PLACES.items()})
    out.update({name: np.array(a, bool) for name, a in MASKS.items()})
    return out


def for_numpy(arrays, dtype):
    if dtype not in ("f32", "f64"):
        return arrays
    kind = np.complex64 if dtype == "f32" else np.complex128
    return {**arrays, **{name: (arrays[re] + 1j * arrays[im]).astype(kind) for name, (re, im) in COMPLEX.items()}}


def for_torch(arrays, dtype):
    own = lambda name: name in PLACES or name in MASKS
    out = {name: torch.from_numpy(a.copy()) if own(name) else torch.from_numpy(np.array(a)).to(TORCH[dtype]) for name, a in arrays.items()}
    if dtype in ("f32", "f64"):
        out.update({name: torch.complex(out[re], out[im]) for name, (re, im) in COMPLEX.items()})
    return out
