# Reads bench/peers/calls/*.txt: which calls Tenon and its peers are compared on. A line is
#
#   dtypes ; Tenon ; PyTorch ; NumPy
#
# Operands are the names of arguments.py. `=` is Tenon's call under the peer's name for it, nothing: the peer has no such function.
# `<a b c> (x)` is one line each for a, b and c. A file whose first line is `# needs HEADER` counts where there is that header.
# Dtypes are letters: F f64 and f32, once more with NaN, infinities and zeros of both signs among the elements; f without these,
# s f32 alone; H f16 and bf16; I i32, L i64, U u8, B bool. Of the first dtype all peers named must have a value.
import dataclasses
import pathlib
import re

LETTERS = {
    "F": [("f64", "plain"), ("f32", "plain"), ("f64", "special"), ("f32", "special")],
    "f": [("f64", "plain"), ("f32", "plain")],
    "s": [("f32", "plain")],
    "H": [("f16", "plain"), ("bf16", "plain")],
    "h": [("f16", "plain"), ("bf16", "plain")],
    "I": [("i32", "plain")],
    "L": [("i64", "plain")],
    "U": [("u8", "plain")],
    "B": [("bool", "plain")],
}
PEERS = {"PyTorch": "torch", "NumPy": "np"}


@dataclasses.dataclass(frozen=True)
class Call:
    number: int
    place: str  # file:line, for complaints
    settings: tuple  # of (dtype, variant)
    tenon: str
    peers: dict  # PyTorch, NumPy -> expression

    @property
    def function(self):
        """What is called: tn::add is `add`, tn::linalg::det `linalg::det`, x.all() `Tensor::all`, an operator as it stands."""
        named = re.match(r"(?:tn::abs\()?tn::((?:linalg::|fft::)?\w+)\(", self.tenon)
        if named:
            return named[1]
        method = re.match(r"\w+\.(\w+)\(", self.tenon)
        return f"Tensor::{method[1]}" if method else re.sub(r"\w+\[.*\]", "x[...]", self.tenon)


def spread(columns):
    """One list of columns for each name of `<a b c>`."""
    lists = [re.search(r"<(\w+(?: \w+)+)> ", column) for column in columns]
    counts = {len(found[1].split()) for found in lists if found}
    if not counts:
        return [columns]
    assert len(counts) == 1, f"lists of different lengths in {columns}"
    return [[column.replace(found[0], found[1].split()[i]) if found else column for column, found in zip(columns, lists)]
            for i in range(counts.pop())]


def of_file(path, first, headers):
    calls = []
    needs = re.match(r"# needs (\S+)\n", path.read_text())
    if needs and not (headers / needs[1]).exists():
        return calls
    for at, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = [c.strip() for c in line.split(" ;")]
        assert 2 <= len(columns) <= 4, f"{path.name}:{at}: dtypes ; Tenon ; PyTorch ; NumPy"
        settings = tuple(s for letter in columns[0] for s in LETTERS[letter])
        for tenon, *peers in spread(columns[1:]):
            own = {}
            for (who, module), text in zip(PEERS.items(), peers):
                if text:
                    own[who] = tenon.replace("tn::", module + ".").replace("::", ".") if text == "=" else text
            calls.append(Call(first + len(calls), f"{path.name}:{at}", settings, tenon, own))
    return calls


def all_calls(headers):
    """Calls by the file they stand in, of a library with these headers."""
    families, first = {}, 0
    for path in sorted((pathlib.Path(__file__).parent / "calls").glob("*.txt")):
        families[path.stem] = of_file(path, first, headers)
        first += len(families[path.stem])
    return families
