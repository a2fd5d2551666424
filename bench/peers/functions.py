# Holds Tenon's functions against PyTorch's and NumPy's: reads the folders that the batteries of tests/functions_*_test.cc write under
# TENON_PEERS, translates each call into the peer's, and prints where they differ. Run by `./dev peers functions`, in a virtual
# environment of its own; refuses to change anything. Ends with 1 where a difference is explained nowhere in docs/numbers.md.
import pathlib
import re
import sys

import numpy as np

try:
    import torch
except ImportError:
    torch = None

root, names_file, explained_file = (pathlib.Path(a) for a in sys.argv[1:4])


def table(path):
    """docs/functions.md: Tenon's name -> (PyTorch's, NumPy's), as dotted paths without the module in front."""
    found = {}
    for line in path.read_text().splitlines():
        cells = [c.strip().strip("`") for c in line.strip("|").split("|")]
        if line.startswith("| `tn::") and len(cells) >= 3:
            found[cells[0].split("::")[-1]] = (cells[1], cells[2])
    return found


def resolve(dotted):
    """The function of a name such as torch.nn.functional.relu, or None."""
    roots = {"torch": torch, "np": np}
    parts = dotted.split(".")
    at = roots.get(parts[0])
    for part in parts[1:]:
        at = getattr(at, part, None)
    return at if callable(at) else None


def split(text):
    """Arguments at the top level of a call."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += c in "({[" 
        depth -= c in ")}]"
        if c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    tail = text[start:].strip()
    return parts + [tail] if tail else parts


RENAMED = {"axes": ("dim", "axis"), "axis": ("dim", "axis"), "keepdims": ("keepdim", "keepdims"), "correction": ("correction", "ddof"),
           "tanh": None, "minlength": ("minlength", "minlength")}
DTYPES = {"f32": "float32", "f64": "float64", "i32": "int32", "i64": "int64", "u8": "uint8", "boolean": "bool"}


def value(text, xs, peer):
    """One argument; KeyError for what is no plain value."""
    text = text.strip()
    if re.fullmatch(r"x\[\d+\]", text):
        return xs[int(text[2:-1])]
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"'):
        return text.strip('"')
    if text.startswith("tn::") and text[4:] in DTYPES:
        return getattr(torch if peer == 0 else np, DTYPES[text[4:]])
    if text.startswith("{"):
        return [value(t, xs, peer) for t in split(text[1:-1])]
    return float(text.rstrip("f")) if re.search(r"[.e]", text) else int(text)


def call(text, xs, names, peer):
    """The peer's results as a list of arrays, or None where it has no such function or takes other arguments."""
    match = re.fullmatch(r"tn::(?:\w+::)*(\w+)\((.*)\)", text, re.S)
    if not match or match[1] not in names:
        return None
    function = resolve(names[match[1]][peer])
    if function is None:
        return None
    arguments, named = [], {}
    for part in split(match[2]):
        if part.startswith("{."):
            for field in split(part[1:-1]):
                key, v = (s.strip() for s in field.lstrip(".").split("=", 1))
                renamed = RENAMED.get(key, (key, key))
                if renamed is None:
                    return None
                v = value(v, xs, peer)
                named[renamed[peer]] = tuple(v) if peer == 1 and isinstance(v, list) else v
        elif part.startswith("{{"):
            return None
        else:
            arguments.append(value(part, xs, peer))
    out = function(*arguments, **named)
    parts = list(out) if isinstance(out, (tuple, list)) else [out]
    return [np.asarray(p.detach().numpy() if torch is not None and isinstance(p, torch.Tensor) else p) for p in parts]


def differs(ours, theirs):
    if ours.shape != theirs.shape:
        return f"shape {list(ours.shape)}, theirs {list(theirs.shape)}"
    tolerance = 1e-11 if ours.dtype == np.float64 else 4e-6
    if ours.dtype.kind not in "fc":
        wrong = ours != theirs.astype(ours.dtype)
        return f"{int(wrong.sum())} elements" if wrong.any() else None
    scale = max(1.0, float(np.nanmax(np.abs(theirs), initial=0, where=np.isfinite(theirs))))
    near = np.isclose(ours, theirs, rtol=0, atol=tolerance * scale, equal_nan=True)
    return None if near.all() else f"largest difference {np.nanmax(np.abs(ours - theirs)):.3g} of {scale:.3g}"


def main():
    names, explained = table(names_file), explained_file.read_text()
    compared, without, unexplained = 0, set(), 0
    for folder in sorted(f.parent for f in root.rglob("call.txt")):
        text = (folder / "call.txt").read_text().strip()
        read = lambda kind: [np.load(f) for f in sorted(folder.glob(kind + "*.npy"), key=lambda f: int(f.stem[1:]))]
        arrays, ours = read("x"), read("y")
        held = False
        for peer, who in enumerate(("torch", "numpy")):
            if peer == 0 and torch is None:
                continue
            try:
                xs = [torch.from_numpy(a.copy()) if peer == 0 else a for a in arrays]
                theirs = call(text, xs, names, peer)
            except Exception:  # the peer takes other arguments: there is nothing to compare
                theirs = None
            if theirs is None or len(theirs) < len(ours):
                continue
            held = True
            compared += 1
            for mine, other in zip(ours, theirs):
                why = differs(mine, other)
                if why is None:
                    continue
                known = f"`{folder.name.split('.')[0]}` differs" in explained
                unexplained += not known
                print(f"{'explained' if known else 'DIFFERS'}  {who:5}  {folder.name.split('.')[1]}  {text}: {why}")
        if not held:
            without.add(text)
    print(f"{compared} calls compared, {unexplained} unexplained differences; {len(without)} calls have no counterpart that takes "
          "these arguments")
    return 1 if unexplained else 0


sys.exit(main())
