# Holds Tenon's functions against PyTorch's and NumPy's: every line of calls/*.txt in every dtype that it names, values, shapes and dtypes.
# What differs must be explained in docs/numbers.md, or this ends with 1. Run by `./dev peers functions`, in a virtual environment.
# usage: functions.py BUILD WORK [WORD...]: the folder of libtenon.so, one to write to; only calls that contain one of the words.
import collections
import pathlib
import sys
import warnings

import arguments
import calls
import compare
import driver
import explained

ROOT = pathlib.Path(__file__).resolve().parents[2]
warnings.filterwarnings("ignore")


class Tally:
    def __init__(self):
        self.judged = collections.Counter()
        self.functions, self.mistakes = set(), []
        self.lines = explained.read(ROOT / "docs/numbers.md")

    def add(self, call, setting, peer, kind, detail):
        self.functions.add(call.function)
        if kind in ("bits", "near"):
            self.judged[kind] += 1
            return
        line = next((line for line in self.lines if line.explains(call.function, peer, kind)), None)
        if line:
            line.seen += 1
        self.judged["explained" if line else "unexplained"] += 1
        if not line:
            print(f"DIFFERS  {peer:7} {'.'.join(setting):12} {call.tenon}: {kind} {detail}  [{call.place}]")


def hold(call, setting, operands, ours, refused, tally):
    """One call in one dtype against both peers."""
    dtype, variant = setting
    first = setting == call.settings[0]
    for peer, text in call.peers.items():
        if peer not in operands:  # NumPy has no bf16
            continue
        try:
            theirs = compare.of_peer(text, operands[peer])
        except Exception as e:  # the peer has no such kernel
            if first:
                tally.mistakes.append(f"{call.place}: {text}: {type(e).__name__}: {e}")
            continue
        if call.number in refused:
            tally.add(call, setting, peer, f"refuses {dtype}", refused[call.number])
            continue
        factor = 40 if call.place.startswith("linalg") else 1
        kind, detail = compare.judge(ours[call.number], theirs, dtype, variant == "special", factor)
        tally.add(call, setting, peer, kind, detail)


def main():
    build, work = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
    words = sys.argv[3:]
    work.mkdir(parents=True, exist_ok=True)
    families = calls.all_calls(build / "include/tenon")
    program = driver.build(families, build, work)
    listed = [c for family in families.values() for c in family if not words or any(w in c.tenon for w in words)]
    tally = Tally()
    for setting in dict.fromkeys(s for c in listed for s in c.settings):
        here = [c for c in listed if setting in c.settings]
        arrays = arguments.drawn(*setting)
        ours, refused = driver.run(program, arrays, [c.number for c in here], *setting, work)
        operands = {"PyTorch": arguments.for_torch(arrays, setting[0])}
        if setting[0] != "bf16":
            operands["NumPy"] = arguments.for_numpy(arrays, setting[0])
        for call in here:
            hold(call, setting, operands, ours, refused, tally)
    for mistake in tally.mistakes:
        print(f"MISTAKE  {mistake}")
    for line in tally.lines:
        if not line.seen and not words:
            print(f"IDLE     no difference needs this line: {line.text}")
    total = sum(tally.judged.values())
    print(f"{len(tally.functions)} functions, {total} comparisons: {tally.judged['bits']} equal to the bit, {tally.judged['near']} within "
          f"tolerance, {tally.judged['explained']} explained, {tally.judged['unexplained']} unexplained")
    return 1 if tally.judged["unexplained"] or tally.mistakes or not total else 0


sys.exit(main())
