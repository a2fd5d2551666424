# Two benchmark programs in turn: which rows of Tenon's changed, and by how much.
# usage: against.py THIS OTHER [ARGUMENT of bench --peers...]. Each runs three times, in another order each time; a row's figure is the
# median of its three. Refuses to call a change of 3 % or less one.
import json
import subprocess
import sys

THRESHOLD = 0.03
ROUNDS = 3


def rows_of(program, arguments):
    """Seconds by row and threads; a run in which a row failed counts without that row."""
    done = subprocess.run([program, "--peers", "--alone", "--json", *arguments], stdout=subprocess.PIPE)
    if done.returncode > 1:
        sys.exit(f"{program} failed")
    return {(r["row"], r["threads"]): r["tenon"] for r in json.loads(done.stdout)["rows"] if r["tenon"]}


def medians(runs):
    return {row: sorted(run[row] for run in runs)[len(runs) // 2] for row in runs[0] if all(row in run for run in runs)}


def main():
    this, other, *arguments = sys.argv[1:]
    arguments = [a for a in arguments if a not in ("--peers", "--alone", "--json")]
    runs = {this: [], other: []}
    for number in range(ROUNDS):
        for program in (this, other) if number % 2 == 0 else (other, this):
            print(f"round {number + 1} of {ROUNDS}: {program}", file=sys.stderr)
            runs[program].append(rows_of(program, arguments))
    new, old = medians(runs[this]), medians(runs[other])
    changed = 0
    for row in new:
        if row not in old:
            print(f"{row[0]:42} {row[1]}  {new[row] * 1e6:12.2f} us, not there before")
        elif abs(new[row] / old[row] - 1) > THRESHOLD:
            changed += 1
            print(f"{row[0]:42} {row[1]}  {old[row] * 1e6:12.2f} us -> {new[row] * 1e6:12.2f} us, {old[row] / new[row]:.2f} times as fast")
    for row in old:
        if row not in new:
            print(f"{row[0]:42} {row[1]}  gone")
    print(f"{changed} of {len(new)} rows changed by more than {THRESHOLD:.0%}")


main()
