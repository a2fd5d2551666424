# SmolLM2 in PyTorch, from the same GGUF file, read by PyPI's gguf: what smollm.cc is held against.
#
# usage: reference.py FILE check IDS...            whether the answers that `smollm FILE --ids IDS` wrote are the likeliest tokens
#        reference.py FILE time THREADS            tokens a second with a cache
#        reference.py FILE texts OUT COUNT SEED    random texts, and every code point once: lines for
#        reference.py FILE tokens LINES IDS        what `smollm FILE --tokenize LINES` said, beside PyPI's tokenizers
import random
import sys
import time

import torch
from gguf import GGUFReader, dequantize


class Model:
    """Llama's forward pass, as plain as it goes. Weights are f32."""

    def __init__(self, path):
        reader = GGUFReader(path)
        self.fields = {name: field.contents() for name, field in reader.fields.items()}
        self.w = {t.name: torch.from_numpy(dequantize(t.data, t.tensor_type).copy()).float() for t in reader.tensors}
        of = lambda name: self.fields["llama." + name]
        self.heads, self.kv_heads = of("attention.head_count"), of("attention.head_count_kv")
        self.blocks, self.epsilon = of("block_count"), of("attention.layer_norm_rms_epsilon")
        self.depth = of("embedding_length") // self.heads
        self.rates = of("rope.freq_base") ** (-torch.arange(0, self.depth, 2).float() / self.depth)

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.w[name + ".weight"]

    def turned(self, x, first):
        """x [heads, t, depth]: neighbours are a complex number, and position p turns it by p times its rate."""
        angles = torch.outer(torch.arange(first, first + x.shape[1]).float(), self.rates)
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)

    def forward(self, ids, cache=None):
        """Logits of every place; cache: a list, one pair a block, that grows."""
        x = self.w["token_embd.weight"][ids]
        first = cache[0][0].shape[1] if cache else 0
        for i in range(self.blocks):
            of = lambda name: f"blk.{i}.{name}"
            linear = lambda x, name: x @ self.w[of(name) + ".weight"].T
            apart = lambda x, heads: x.view(len(ids), heads, self.depth).transpose(0, 1)
            h = self.norm(x, of("attn_norm"))
            q = self.turned(apart(linear(h, "attn_q"), self.heads), first)
            k = self.turned(apart(linear(h, "attn_k"), self.kv_heads), first)
            v = apart(linear(h, "attn_v"), self.kv_heads)
            if cache is not None:
                if len(cache) > i:
                    k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
                    cache[i] = (k, v)
                else:
                    cache.append((k, v))
            k, v = (y.repeat_interleave(self.heads // self.kv_heads, 0) for y in (k, v))
            hidden = torch.ones(len(ids), k.shape[1], dtype=torch.bool).triu(1 + first)
            scores = (q @ k.transpose(1, 2) / self.depth**0.5).masked_fill(hidden, float("-inf"))
            mixed = (torch.softmax(scores, -1) @ v).transpose(0, 1).reshape(len(ids), -1)
            x = x + linear(mixed, "attn_output")
            h = self.norm(x, of("ffn_norm"))
            x = x + linear(torch.nn.functional.silu(linear(h, "ffn_gate")) * linear(h, "ffn_up"), "ffn_down")
        return self.norm(x, "output_norm") @ self.w["token_embd.weight"].T


def check(model, paths):
    """One pass over prompt and answer: the answer is greedy where every token of it is the likeliest behind those before it."""
    for path in paths:
        prompt, answer = ([int(i) for i in line.split()] for line in open(path))
        logits = model.forward(torch.tensor(prompt + answer[:-1]))[len(prompt) - 1 :]
        best = logits.topk(2).values
        wrong = sum(a != b for a, b in zip(answer, logits.argmax(-1).tolist()))
        print(f"{len(answer)} tokens behind {len(prompt)} of a prompt: {wrong} are not the likeliest of PyTorch's; "
              f"the closest decision is by {(best[:, 0] - best[:, 1]).min():.3g} in logits")
        if wrong:
            sys.exit(1)


def measure(model, threads):
    torch.set_num_threads(threads)
    cache, times = [], []
    token = model.forward(torch.arange(100, 120), cache)[-1].argmax()
    for _ in range(24):
        start = time.perf_counter()
        token = model.forward(token[None], cache)[-1].argmax()
        times.append(time.perf_counter() - start)
    print(f"{1 / sorted(times)[len(times) // 2]:.1f}")


def tokenizer(fields):
    from tokenizers import Tokenizer, models, pre_tokenizers

    ids = {token: i for i, token in enumerate(fields["tokenizer.ggml.tokens"])}
    t = Tokenizer(models.BPE(ids, [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"]]))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    return t


def write_texts(out, count, seed):
    draw = random.Random(seed)
    parts = "the and of running Runs 'll 're 's don't we've I'd 12 3.14 1,000 x2 -- ... ?! ( ) {}; == \t \r é ñ ü ß".split(" ")
    planes = ((0x20, 0x7F), (0x20, 0x30), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x2000, 0x2070), (0x3040, 0x3100),
              (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0x1F300, 0x1F700), (0x20, 0xD800), (0xE000, 0x30000))
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        for _ in range(count):
            line = ""
            for _ in range(draw.randrange(40)):
                line += draw.choice(parts) if draw.random() < 0.6 else chr(draw.randrange(*draw.choice(planes)))
                line += draw.choice(("", "", " ", " ", "  ", "   "))
            f.write(line.replace("\n", " ") + "\n")
        every = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 and c != 10]
        for at in range(0, len(every), 8):
            f.write("".join("a" + c + "b " + c + "1" for c in every[at : at + 8]) + "\n")


def check_tokens(fields, texts, ours):
    lines = lambda path: open(path, encoding="utf-8", newline="\n").read().split("\n")[:-1]
    of = lines(texts)
    theirs = [e.ids for e in tokenizer(fields).encode_batch(of)]
    wrong = [i for i, line in enumerate(lines(ours)) if [int(x) for x in line.split()] != theirs[i]]
    for i in wrong[:3]:
        print(f"differs: {of[i]!r}\n  {theirs[i]}\n  {lines(ours)[i]}")
    print(f"{len(of)} texts: the token ids of {len(wrong)} differ from tokenizers'")
    sys.exit(len(wrong) != 0)


if __name__ == "__main__":
    file, verb, *rest = sys.argv[1:]
    with torch.inference_mode():
        if verb == "check":
            check(Model(file), rest)
        elif verb == "time":
            measure(Model(file), int(rest[0]))
        elif verb == "texts":
            write_texts(rest[0], int(rest[1]), int(rest[2]))
        elif verb == "tokens":
            check_tokens({name: field.contents() for name, field in GGUFReader(file).fields.items()
                          if name.startswith("tokenizer.ggml.")}, *rest)
        else:
            sys.exit("the first lines of this file say what it takes")
