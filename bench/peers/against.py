# This tree's benchmarks and those of another revision in turn: which rows of Tenon's changed, and by how much.
# usage: against.py REVISION build/bench [ARGUMENT of bench --peers...]. The revision is built in build-against/; each program runs
# three times, in another order each time, and a row's figure is the median of its three. Refuses to call 3 % or less a change.
import json
import os
import subprocess
import sys

THRESHOLD = 0.03
ROUNDS = 3


def text_of(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def program_of(revision):
    """The benchmarks of a revision, built in a tree of its own."""
    commit = text_of("git", "rev-parse", "--verify", "--quiet", revision + "^{commit}")
    if not commit:
        sys.exit(f"dev: no such revision: {revision}")
    tree = os.path.join("build-against", commit[:12])
    if not os.path.exists(os.path.join(tree, "dev")):
        print(f"dev: the tree of {revision} goes to {tree}", file=sys.stderr)
        subprocess.run(["git", "worktree", "prune"], check=True)
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], check=True)
    if not os.path.exists(os.path.join(tree, "bench", "peer_run.cc")):
        sys.exit(f"dev: {revision} has no bench --peers")
    environment = {name: value for name, value in os.environ.items() if name != "CCACHE_BASEDIR"}
    build = ["./dev", "bench", "--benchmark_list_tests"]
    if subprocess.run(build, cwd=tree, env=environment, stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit(f"dev: {revision} does not build")
    return os.path.join(tree, "build", "bench")


def rows_of(program, arguments):
    """Seconds by row and threads, without rows that failed."""
    done = subprocess.run([program, "--peers", "--alone", "--json", *arguments], stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        sys.exit(f"{program} failed")
    return {(r["row"], r["threads"]): r["tenon"] for r in json.loads(done.stdout)["rows"] if r["tenon"]}


def medians(runs):
    return {row: sorted(run[row] for run in runs)[len(runs) // 2] for row in runs[0] if all(row in run for run in runs)}


def main():
    revision, this, *arguments = sys.argv[1:]
    arguments = [a for a in arguments if a not in ("--peers", "--alone", "--json")]
    other = program_of(revision)
    runs = {this: [], other: []}
    for number in range(ROUNDS):
        for program in (this, other) if number % 2 == 0 else (other, this):
            print(f"round {number + 1} of {ROUNDS}: {program}", file=sys.stderr)
            runs[program].append(rows_of(program, arguments))
    new, old = medians(runs[this]), medians(runs[other])
    changed = 0
    for row in new:
        us = f"{row[0]:42} {row[1]} {new[row] * 1e6:12.2f} us"
        if row not in old:
            print(f"{us}, not there before")
        elif abs(new[row] / old[row] - 1) > THRESHOLD:
            changed += 1
            print(f"{us}, before {old[row] * 1e6:.2f}: {old[row] / new[row]:.2f} times as fast")
    for row in old:
        if row not in new:
            print(f"{row[0]:42} {row[1]} is gone")
    print(f"{changed} of {len(new)} rows changed by more than {THRESHOLD:.0%}")


main()
