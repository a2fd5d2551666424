# The table "Differences from PyTorch and NumPy" of docs/numbers.md: which differences are meant. A line names functions (or `all`), peers
# and what differs, in the words of compare.py; the reason is for people.
import dataclasses
import re

TITLE = "## Differences from PyTorch and NumPy"


@dataclasses.dataclass
class Line:
    functions: set
    peers: set
    kinds: set
    text: str
    seen: int = 0

    def explains(self, function, peer, kind):
        values = "values" in self.kinds and "values" in kind  # of every dtype
        return peer in self.peers and (values or kind in self.kinds) and ("all" in self.functions or function in self.functions)


def read(path):
    lines = []
    part = path.read_text().split(TITLE + "\n", 1)
    for row in part[1].split("\n## ", 1)[0].splitlines() if len(part) == 2 else []:
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", row)[1:-1]]
        if len(cells) != 4 or not cells[0].startswith("`"):
            continue
        listed = [set(re.findall(r"`([^`]+)`", c.replace("\\|", "|"))) for c in (cells[0], cells[2])]
        lines.append(Line(listed[0], set(cells[1].split(", ")), listed[1], row))
    return lines
