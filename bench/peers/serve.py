# A peer of `./dev bench --peers`: lives for the whole run and is told, a line at a time, what to prepare and when to time it.
# usage: serve.py numpy|torch|jax THREADS. Refuses to write anything but answers (bench/peer_answer.h) where answers go.
#
#   prepare<TAB>FORMULA<TAB>ARGUMENTS<TAB>CHECK<TAB>INPUT.npy;...<TAB>EXPECTED.npy;...
#       -> prepared DIFFERENCE | none WHY   ARGUMENTS, and CHECK where it differs, are what the formula is made from, as JSON
#   time -> seconds S                       of one call, among as many as take 200 us
import importlib
import json
import os
import sys
import time

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what a library prints is no answer


def answer(*words):
    answers.write(" ".join(str(w).replace("\n", " ") for w in words) + "\n")


def difference(expected, found):
    """The largest difference over the largest magnitude; infinite where shapes or what is no number differ."""
    import numpy as np

    expected, found = np.asarray(expected, "f8"), np.asarray(found, "f8")
    if expected.shape != found.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(found)):
        return float("inf")
    scale = np.max(np.abs(expected), where=finite, initial=0)
    most = np.max(np.abs(expected - found), where=finite, initial=0)
    return float(most / scale) if scale > 0 else float(most)


class Subject:
    """One formula over its inputs, and how often it is called in a sample."""

    def __init__(self, peer, fields):
        import numpy as np

        formula, arguments, check, inputs, expected = fields
        make = peer.FORMULAS[formula]
        values = [np.load(name) for name in inputs.split(";") if name]
        self.run = peer.prepared(make, json.loads(arguments), values)
        self.calls = 1
        self.difference = 0.0
        names = [name for name in expected.split(";") if name]
        if names:
            run = self.run if check == arguments else peer.prepared(make, json.loads(check), values)
            found = peer.arrays(run())
            if len(found) < len(names):
                self.difference = float("inf")
            else:
                self.difference = max(difference(np.load(n), f) for n, f in zip(names, found))
        self.run()
        once = self.once(1)
        if once < 1e-5:
            once = self.once(20)
        self.calls = max(1, int(2e-4 / max(once, 1e-9)))
        self.warm = once < 20e-3

    def once(self, calls):
        run = self.run
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return (time.perf_counter() - start) / calls

    def sample(self):
        if self.warm:
            self.run()  # its own data back into the caches, and the core out of its sleep
        return self.once(self.calls)


def serve(peer):
    subject = None
    for line in sys.stdin:
        word, *fields = line.rstrip("\n").split("\t")
        if word == "time":
            answer("seconds", repr(subject.sample()))
        elif word == "prepare" and fields[0] not in peer.FORMULAS:
            subject = None
            answer("none", "no such formula")
        elif word == "prepare":
            subject = None  # its memory goes first
            try:
                subject = Subject(peer, fields)
                answer("prepared", repr(subject.difference))
            except Exception as error:  # the row has no such column then, and says why
                answer("none", type(error).__name__ + ":", error)


def main():
    kind, threads = sys.argv[1], int(sys.argv[2])
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    everywhere = os.sched_getaffinity(0)
    if kind == "jax":  # its pool has as many threads as it may use cores when it starts
        os.sched_setaffinity(0, set(sorted(everywhere)[:threads]))
    try:
        peer = importlib.import_module("rows.of_" + kind)
        version = peer.start(threads)
    except Exception as error:
        answer("none", type(error).__name__ + ":", error)
        return
    for task in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(task), everywhere)
    answer("ready", version)
    serve(peer)


main()
