# The encoder of all-MiniLM-L6-v2 in PyTorch, from the same files: what minilm.cc is held against, and the peer of its times.
#
# usage: reference.py FOLDER check OUTPUT.safetensors SENTENCES    token ids and embeddings of `minilm FOLDER embed`
#        reference.py FOLDER time SENTENCES BATCH THREADS          sentences a second, of modules and of the fast path
#        reference.py FOLDER texts OUT COUNT SEED                  random texts, and every code point once: lines for
#        reference.py FOLDER tokens LINES IDS                      what `minilm FOLDER tokens LINES` said, beside tokenizers
import json
import random
import struct
import sys
import time
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore", message=".*[Nn]ested")

WIDTH, HEADS, LAYERS, HIDDEN, LONGEST = 384, 12, 6, 1536, 256


def read_safetensors(path):
    """A header of names, dtypes, shapes and places, then the bytes."""
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    kinds = {"F32": torch.float32, "I32": torch.int32, "I64": torch.int64}
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


class Layer(nn.Module):
    """A layer as Hugging Face's BertLayer computes it."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)
        self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, eps=1e-12) for _ in range(2))

    def heads(self, x):
        return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x, bias):
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = torch.matmul(q, k.transpose(-1, -2)) / (WIDTH // HEADS) ** 0.5 + bias
        mixed = torch.matmul(torch.softmax(scores, dim=-1), v).transpose(1, 2).reshape(x.shape)
        x = self.norm1(self.out(mixed) + x)
        return self.norm2(self.down(nn.functional.gelu(self.up(x))) + x)


class Encoder(nn.Module):
    """ids and mask [n, t] to embeddings [n, 384]; fused: by nn.TransformerEncoder, whose fast path leaves padding out."""

    def __init__(self, weights, fused):
        super().__init__()
        self.words, self.places = nn.Embedding(30522, WIDTH), nn.Embedding(512, WIDTH)
        self.kinds, self.norm, self.fused = nn.Embedding(2, WIDTH), nn.LayerNorm(WIDTH, eps=1e-12), fused
        make = lambda: nn.TransformerEncoderLayer(
            WIDTH, HEADS, HIDDEN, activation="gelu", layer_norm_eps=1e-12, batch_first=True)
        self.stack = nn.TransformerEncoder(make(), LAYERS, enable_nested_tensor=True) if fused else nn.ModuleDict()
        if not fused:
            self.stack["layers"] = nn.ModuleList([Layer() for _ in range(LAYERS)])
        self.load_state_dict(self.renamed(weights))

    def renamed(self, w):
        names = {"words": "word_embeddings", "places": "position_embeddings", "kinds": "token_type_embeddings"}
        state = {k + ".weight": w["embeddings." + v + ".weight"] for k, v in names.items()}
        for part in ("weight", "bias"):
            state["norm." + part] = w["embeddings.LayerNorm." + part]
            for i in range(LAYERS):
                of = lambda name: w[f"encoder.layer.{i}.{name}.{part}"]
                qkv = [of("attention.self." + name) for name in ("query", "key", "value")]
                rest = [of(name) for name in ("attention.output.dense", "intermediate.dense", "output.dense",
                                              "attention.output.LayerNorm", "output.LayerNorm")]
                if self.fused:
                    state[f"stack.layers.{i}.self_attn.in_proj_{part}"] = torch.cat(qkv)
                    to = ("self_attn.out_proj", "linear1", "linear2", "norm1", "norm2")
                else:
                    to = ("query", "key", "value", "out", "up", "down", "norm1", "norm2")
                    rest = qkv + rest
                state.update({f"stack.layers.{i}.{name}.{part}": tensor for name, tensor in zip(to, rest)})
        return state

    def forward(self, ids, mask):
        x = self.norm(self.words(ids) + self.places(torch.arange(ids.shape[1])) + self.kinds.weight[0])
        if self.fused:
            x = self.stack(x, src_key_padding_mask=mask == 0)
        else:
            bias = (1.0 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
            for layer in self.stack["layers"]:
                x = layer(x, bias)
        weights = mask[:, :, None].float()
        return nn.functional.normalize((x * weights).sum(1) / weights.sum(1), dim=1)


def tokenizer(folder):
    from tokenizers import BertWordPieceTokenizer  # of PyPI

    t = BertWordPieceTokenizer(folder + "/vocab.txt", lowercase=True)
    t.enable_truncation(LONGEST)
    return t


def lines(path):
    return open(path, encoding="utf-8", newline="\n").read().split("\n")[:-1]


def padded(ids):
    longest = max(map(len, ids))
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    return torch.tensor([row + [0] * (longest - len(row)) for row in ids]), mask


def check(folder, output, sentences):
    """Every sentence alone, so that no padding enters."""
    theirs = read_safetensors(output)
    model = Encoder(read_safetensors(folder + "/model.safetensors"), False).eval()
    other, worst, t = 0, 0.0, tokenizer(folder)
    for i, line in enumerate(lines(sentences)):
        ids = t.encode(line).ids
        got = theirs["ids"][i].tolist()
        other += got != ids + [0] * (len(got) - len(ids))
        embedding = model(*padded([ids]))[0]
        worst = max(worst, (theirs["embeddings"][i] - embedding).abs().max().item())
    print(f"{len(lines(sentences))} sentences: token ids of {other} differ from tokenizers'; "
          f"embeddings differ from PyTorch's by {worst:.2g} at most")
    sys.exit(other != 0 or worst > 1e-5)


def write_texts(folder, out, count, seed):
    """Mostly pieces of the vocabulary, upper and lower case, glued or apart, among code points of all planes."""
    draw, pieces = random.Random(seed), [line.removeprefix("##") for line in lines(folder + "/vocab.txt")[999:]]
    planes = ((0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x2000, 0x2070), (0x3040, 0x3100), (0x4E00, 0x9FFF),
              (0xAC00, 0xD7A4), (0x1F300, 0x1F700), (0x20, 0xD800), (0xE000, 0x30000))
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        for _ in range(count):
            line = ""
            for _ in range(draw.randrange(40)):
                word = draw.choice(pieces) if draw.random() < 0.7 else chr(draw.randrange(*draw.choice(planes)))
                line += draw.choice((word, word.upper(), word.title())) + draw.choice(("", " ", " ", " ", ", ", "-", "\t"))
            f.write(line.replace("\n", " ") + "\n")
        every = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 and c != 10]
        for at in range(0, len(every), 16):  # between letters, so that it shows what goes and what stands alone
            f.write("".join("a" + c + "b " for c in every[at : at + 16]) + "\n")


def check_tokens(folder, texts, ours):
    t, wrong, of = tokenizer(folder), 0, lines(texts)
    for line, ids in zip(of, lines(ours), strict=True):
        if t.encode(line).ids != [int(i) for i in ids.split()]:
            wrong += 1
            if wrong < 4:
                print(f"differs: {line!r}\n  {t.encode(line).ids}\n  {ids}")
    print(f"{len(of)} texts: the token ids of {wrong} differ from tokenizers'")
    sys.exit(wrong != 0)


def sentences_a_second(model, batches):
    """Every batch at its best of four seconds' rounds."""
    best = [float("inf")] * len(batches)
    begin = time.time()
    while time.time() - begin < 4:
        for i, (ids, mask) in enumerate(batches):
            start = time.perf_counter()
            model(ids, mask)
            best[i] = min(best[i], time.perf_counter() - start)
    return sum(len(ids) for ids, _ in batches) / sum(best)


def measure(folder, sentences, batch, threads):
    torch.set_num_threads(threads)
    t = tokenizer(folder)
    ids = sorted((t.encode(line).ids for line in lines(sentences)), key=len)
    batches = [padded(ids[i : i + batch]) for i in range(0, len(ids), batch)]
    weights = read_safetensors(folder + "/model.safetensors")
    print(" ".join(f"{sentences_a_second(Encoder(weights, fused).eval(), batches):.1f}" for fused in (False, True)))


if __name__ == "__main__":
    folder, verb, *rest = sys.argv[1:]
    with torch.inference_mode():
        if verb == "check":
            check(folder, *rest)
        elif verb == "time":
            measure(folder, rest[0], int(rest[1]), int(rest[2]))
        elif verb == "texts":
            write_texts(folder, rest[0], int(rest[1]), int(rest[2]))
        elif verb == "tokens":
            check_tokens(folder, *rest)
        else:
            sys.exit("the first lines of this file say what it takes")
