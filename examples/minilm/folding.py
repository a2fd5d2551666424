# Writes folding.inc, the tables of folding.cc, by asking PyPI's tokenizers what BERT's normalizer makes of every code point.
#
# usage: folding.py > folding.inc; the package's version stands in the first line
import tokenizers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

normalize, words = BertNormalizer(lowercase=True).normalize_str, BertPreTokenizer().pre_tokenize_str
removed, spaced, punctuation, becomes = [], [], [], {}
for c in (c for c in range(0x110000) if not 0xD800 <= c < 0xE000):
    text, folded = chr(c), normalize(chr(c))
    if folded == " " or 0xAC00 <= c < 0xD7A4:  # white space; syllables of Hangul come apart by arithmetic
        continue
    if folded == "":
        removed.append(c)
        continue
    if len(folded) == 3 and folded[0] == folded[-1] == " ":
        spaced.append(c)
        folded = folded[1]
    if folded != text:
        becomes[c] = folded
    elif len(words("a" + text + "a")) == 3:
        punctuation.append(c)


def ranges(points):
    found = []
    for c in points:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def runs(pairs):
    """(first, count, step, to, step of to): the longest run from each place on."""
    at = 0
    while at < len(pairs):
        (c, to), count, step, turn = pairs[at], 1, 1, 0
        if at + 1 < len(pairs) and pairs[at + 1][0] - c <= 2:
            step, turn = pairs[at + 1][0] - c, pairs[at + 1][1] - to
            while pairs[at + count : at + count + 1] == [(c + count * step, to + count * turn)]:
                count += 1
        yield c, count, step, to, turn
        at += count


def table(name, kind, rows):
    print(f"constexpr {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        cell = " {" + ", ".join(f"{x:#x}" if x > 9 else str(x) for x in row) + "},"
        if len(line + cell) > 120:
            print(line)
            line = "   "
        line += cell
    print(line + "\n};")


print(f"// Made by folding.py with tokenizers {tokenizers.__version__}.")
table("removed", "CodeRange", ranges(removed))
table("ideographs", "CodeRange", ranges(spaced))
table("punctuation", "CodeRange", ranges(punctuation))
table("turned", "Turn", runs([(c, ord(t)) for c, t in becomes.items() if len(t) == 1]))
table("apart", "Apart", [[c] + [ord(x) for x in t] for c, t in becomes.items() if len(t) > 1])
