# Judges one call: what Tenon gave beside what a peer gives for the same operands. A judgement is "bits", "near", or the words for what
# differs, by which docs/numbers.md explains it.
import numpy as np
import scipy.linalg
import scipy.special
import torch

# Of the largest element; after special values of each element by itself. Linear algebra gets 40 times that.
TOLERANCE = {"f64": 1e-11, "f32": 4e-6, "f16": 2.0**-9, "bf16": 2.0**-6}
SPELLED = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64", "int32": "i32", "uint8": "u8",
           "uint64": "u64", "int8": "i8", "int16": "i16"}


def put(write, x, *rest):
    """NumPy writes in place and gives nothing: here it gives what was written."""
    x = x.copy()
    write(x, *rest)
    return x


def put_slice(x, part):
    x[1:3, 2:5] = part
    return x


SPACE = {"np": np, "torch": torch, "sp": scipy.special, "sl": scipy.linalg, "F": torch.nn.functional, "S": torch.special,
         "put": put, "put_slice": put_slice}


def flat(value):
    if isinstance(value, (tuple, list)):
        return [part for v in value for part in flat(v)]
    return [value]


def of_peer(text, operands):
    """A list of (dtype, array); raises what the peer raises."""
    out = []
    with np.errstate(all="ignore"), torch.no_grad():
        for v in flat(eval(text, SPACE, operands)):  # noqa: the expressions are this folder's own
            if isinstance(v, torch.Tensor):
                v = torch.view_as_real(v.resolve_conj()) if v.is_complex() else v
                dtype = str(v.dtype).removeprefix("torch.")
                v = (v.float() if v.dtype == torch.bfloat16 else v).numpy()
            else:
                v = np.asarray(v)
                v = np.stack((v.real, v.imag), -1) if v.dtype.kind == "c" else v
                dtype = str(v.dtype)
            out.append((SPELLED.get(dtype, dtype), v))
    return out


def values_differ(dtype, ours, theirs, special, factor):
    """None for the same bits, "" for near, else words."""
    if ours.tobytes() == theirs.astype(ours.dtype).tobytes() and ours.dtype.kind not in "f":
        return None
    if ours.dtype.kind not in "f":
        wrong = ours != theirs.astype(ours.dtype) if theirs.dtype.kind not in "f" else ours.astype(np.float64) != theirs
        return f"{int(wrong.sum())} of {wrong.size}" if wrong.any() else None
    theirs = theirs.astype(np.float64)
    ours = ours.astype(np.float64)
    same = (ours == theirs) & (np.signbit(ours) == np.signbit(theirs)) | np.isnan(ours) & np.isnan(theirs)
    if same.all():
        return None
    with np.errstate(all="ignore"):
        size = np.abs(theirs)
        scale = np.maximum(1, size) if special else max(1, np.max(size, initial=0, where=np.isfinite(theirs)))
        near = same | (ours == theirs) | (np.abs(ours - theirs) <= TOLERANCE[dtype] * factor * scale)
        if near.all():
            return ""
        at = tuple(int(i) for i in np.argwhere(~near)[0])
    return f"{int((~near).sum())} of {near.size}, at {list(at)} {ours[at]:.9g}, theirs {theirs[at]:.9g}"


def judge(ours, theirs, given, special, factor):
    """Of results for operands of a dtype: (judgement, detail): "bits", "near", or what differs."""
    if len(ours) != len(theirs):
        return "number of results", f"{len(ours)}, theirs {len(theirs)}"
    near = False
    for (dtype, mine), (other_dtype, other) in zip(ours, theirs):
        if mine.shape != other.shape:
            return "shape", f"{list(mine.shape)}, theirs {list(other.shape)}"
        coarser = max((d for d in (dtype, other_dtype) if d in TOLERANCE), key=TOLERANCE.get, default=dtype)
        wrong = values_differ(coarser, mine, other, special, factor)
        if wrong:
            return "special values" if special else f"values of {given}", wrong
        if dtype != other_dtype:
            narrowed = " of f64" if given == "f64" and dtype == "f32" else ""
            return f"{dtype} for {other_dtype}{narrowed}", ""
        near |= wrong == ""
    return ("near" if near else "bits"), ""
