# Tensors from and to safetensors files, the one form that Tenon and this script share: a length, a JSON header, bytes.
import json
import struct

import numpy as np

KINDS = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}


def write(path, arrays):
    header, blobs, at = {}, [], 0
    for name, a in arrays.items():
        kind = next(k for k, t in KINDS.items() if a.dtype == t)
        blob = np.ascontiguousarray(a).tobytes()
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read(path):
    """name -> (dtype as Tenon spells it, array); bf16 as f32."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        low, high = (8 + length + o for o in entry["data_offsets"])
        kind = entry["dtype"]
        if kind == "BF16":
            a = (np.frombuffer(data[low:high], np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            a = np.frombuffer(data[low:high], KINDS.get(kind) or np.dtype(kind.lower().replace("u", "uint").replace("i", "int")))
        spelled = {"BOOL": "bool"}.get(kind, kind.lower())
        out[name] = (spelled, a.reshape(entry["shape"]))
    return out
