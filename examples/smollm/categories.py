# Writes categories.inc, the tables of words.cc, by asking PyPI's tokenizers which code points its splitting takes for letters,
# numbers and white space.
#
# usage: categories.py > categories.inc; the package's version stands in the first line
import tokenizers
from tokenizers.pre_tokenizers import ByteLevel, Digits

words = ByteLevel(add_prefix_space=False, use_regex=True).pre_tokenize_str
digits = Digits(individual_digits=True).pre_tokenize_str


def ranges(belongs):
    found = []
    for c in (c for c in range(0x110000) if not 0xD800 <= c < 0xE000):
        if belongs(chr(c)):
            if found and found[-1][1] == c - 1:
                found[-1][1] = c
            else:
                found.append([c, c])
    return found


def table(name, rows):
    print(f"constexpr CodeRange {name}[] = {{")
    line = "   "
    for row in rows:
        cell = " {" + ", ".join(f"{x:#x}" for x in row) + "},"
        if len(line + cell) > 120:
            print(line)
            line = "   "
        line += cell
    print(line + "\n};")


print(f"// Made by categories.py with tokenizers {tokenizers.__version__}.")
table("letters", ranges(lambda c: len(words("a" + c)) == 1))
table("digits", ranges(lambda c: len(digits("a" + c + "a")) == 3))
table("spaces", ranges(lambda c: c == " " or len(words("a" + c + "!")) == 3 and len(words("1" + c)) == 2))
