# Runs the modules that Tenon prints in JAX, and holds their results against Tenon's.
#
# A folder has, for each program, N.mlir and N.bin: the bytes of its arguments and of Tenon's results, one behind the other. Types are those of
# @main. Integers and booleans are equal; floats may differ by what other orders of summation and other polynomials make, NaN for NaN. XLA's CPU
# code takes numbers below the least normal one for zero.

import pathlib
import sys

import jax

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)

import ml_dtypes
import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib import _jax
from jax._src.lib import xla_client
from jax._src.lib.mlir import ir
from jax.extend import backend as backends

NUMPY = {
    "i1": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "ui8": np.uint8, "ui16": np.uint16, "ui32": np.uint32, "ui64": np.uint64,
    "bf16": ml_dtypes.bfloat16, "f16": np.float16, "f32": np.float32, "f64": np.float64,
    "complex<f32>": np.complex64, "complex<f64>": np.complex128,
}
# Programs whose results differ for a reason that is XLA's: what their name begins with.
EXPLAINED = {
    "reduce_max": "its reduction over a whole array may lose a NaN",
    "reduce_min": "its reduction over a whole array may lose a NaN",
    "reduce_sum f16": "it adds halves as halves",
    "cumprod": "in another order other products overflow on the way",
}
# Relative to the largest element of a result.
TOLERANCE = {"bf16": 2e-2, "f16": 3e-3, "f32": 1e-5, "f64": 1e-10, "complex<f32>": 1e-5, "complex<f64>": 1e-10}


def arrays(types, data, at):
    """The arrays of these types that begin at a byte, and the byte behind them."""
    result = []
    for t in types:
        shaped = ir.RankedTensorType(t)
        dtype = np.dtype(NUMPY[str(shaped.element_type)])
        count = int(np.prod(shaped.shape, dtype=np.int64))
        result.append(np.frombuffer(data, dtype, count, at).reshape(shaped.shape))
        at += count * dtype.itemsize
    return result, at


def apart(ours, theirs, element):
    """Why two results differ, or None; and whether they are equal to the bit."""
    if ours.tobytes() == theirs.tobytes():
        return None, True
    if element not in TOLERANCE:
        return "integers differ", False
    wide = np.complex128 if "complex" in element else np.float64
    parts = [v.astype(wide) for v in (ours, theirs)]
    if wide == np.complex128:
        parts = [np.stack([v.real, v.imag]) for v in parts]
    a, b = parts
    odd = ~np.isfinite(a) | ~np.isfinite(b)
    wrong = odd & ~((a == b) | (np.isnan(a) & np.isnan(b)))
    largest = np.max(np.abs(a[~odd]), initial=0)
    bound = TOLERANCE[element]
    wrong |= ~odd & ~(np.abs(np.where(odd, 0, a) - np.where(odd, 0, b)) <= bound * max(largest, 1e-30))
    if not wrong.any():
        return None, False
    i = np.unravel_index(np.argmax(wrong), wrong.shape)
    return f"{wrong.sum()} of {wrong.size} elements, first {a[i]} here and {b[i]} there", False


def main(folder):
    backend = backends.get_backend("cpu")
    devices = _jax.DeviceList(tuple(backend.local_devices()[:1]))
    context = mlir.make_ir_context()
    counts = {"equal": 0, "near": 0, "explained": 0, "apart": 0, "refused": 0}
    programs = sorted(pathlib.Path(folder).glob("*.mlir"), key=lambda p: int(p.stem))
    for number, path in enumerate(programs):
        text = path.read_text()
        name = text.split("\n", 1)[0][3:]
        print(f"\r{number + 1} of {len(programs)}: {name[:60]:60}", end="", file=sys.stderr)
        try:
            with context:
                module = ir.Module.parse(text)
                entry = next(op for op in module.body.operations if op.attributes["sym_name"].value == "main")
                kind = ir.FunctionType(ir.TypeAttr(entry.attributes["function_type"]).value)
                data = path.with_suffix(".bin").read_bytes()
                arguments, at = arrays(kind.inputs, data, 0)
                results, _ = arrays(kind.results, data, at)
                elements = [str(ir.RankedTensorType(t).element_type) for t in kind.results]
                code = mlir.module_to_bytecode(module)
            program = backend.compile_and_load(code, devices, xla_client.CompileOptions())
            given = program.execute_sharded([jax.device_put(a) for a in arguments])
            theirs = [np.asarray(r[0]) for r in given.disassemble_into_single_device_arrays()]
        except Exception as error:  # a module that JAX does not take is what this looks for
            counts["refused"] += 1
            print(f"\n{name}: {' '.join(str(error).split())[:300]}")
            continue
        for ours, other, element in zip(results, theirs, elements):
            why, equal = apart(ours, other, element)
            known = next((EXPLAINED[n] for n in EXPLAINED if why and name.startswith(n)), None)
            counts["explained" if known else "apart" if why else "equal" if equal else "near"] += 1
            if why and not known:
                print(f"\n{name}: {element}{list(ours.shape)}: {why}")
    print(file=sys.stderr)
    print(f"JAX {jax.__version__}: {len(programs)} programs; results equal to the bit {counts['equal']}, near "
          f"{counts['near']}, explained {counts['explained']}, apart {counts['apart']}; programs refused {counts['refused']}")
    return 1 if counts["apart"] or counts["refused"] or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
