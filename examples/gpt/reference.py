# The model of examples/gpt.cc in PyTorch, from the same weights, on the same windows: its losses beside Tenon's, and its time a step.
# usage: reference.py FOLDER [THREADS]; `gpt --compare FOLDER` wrote the folder
import json
import sys
import time

import numpy
import torch
import torch.nn.functional as F


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        dtype = {"F32": numpy.float32, "I64": numpy.int64}[entry["dtype"]]
        tensors[name] = torch.from_numpy(numpy.frombuffer(data[begin:end], dtype).reshape(entry["shape"]).copy())
    return tensors


def linear(x, p, name):  # Tenon keeps weights as [in, out]
    return torch.matmul(x, p[name + ".weight"]) + p[name + ".bias"]


def norm(x, p, name):
    return F.layer_norm(x, x.shape[-1:], p[name + ".weight"], p[name + ".bias"])


def logits(p, tokens, blocks, heads):
    batch, length = tokens.shape
    x = F.embedding(tokens, p["tokens.weight"]) + p["positions"][:length]
    width = x.shape[-1]
    hidden = torch.full((length, length), float("-inf")).triu(1)
    for i in range(blocks):
        b = f"blocks[{i}]."
        h = norm(x, p, b + "norm1")
        split = lambda t: t.view(batch, length, heads, width // heads).transpose(1, 2)
        q, k, v = (split(linear(h, p, b + "self_attn." + part)) for part in ("q_proj", "k_proj", "v_proj"))
        if hasattr(F, "scaled_dot_product_attention"):
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            a = torch.softmax(q @ k.transpose(-1, -2) * (width // heads) ** -0.5 + hidden, -1) @ v
        x = x + linear(a.transpose(1, 2).reshape(batch, length, width), p, b + "self_attn.out_proj")
        x = x + linear(F.gelu(linear(norm(x, p, b + "norm2"), p, b + "linear1")), p, b + "linear2")
    return linear(norm(x, p, "norm"), p, "head")


def main():
    folder = sys.argv[1]
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    p = read_safetensors(folder + "/weights.safetensors")
    for tensor in p.values():
        tensor.requires_grad_(True)
    settings = json.load(open(folder + "/settings.json"))
    windows = torch.from_numpy(numpy.load(folder + "/windows.npy"))  # [steps, batch, length + 1]
    theirs = numpy.load(folder + "/losses.npy")
    optimizer = torch.optim.AdamW(p.values(), lr=settings["rate"], weight_decay=settings["weight_decay"])
    losses, times = [], []
    for window in windows:
        start = time.perf_counter()
        out = logits(p, window[:, :-1], settings["blocks"], settings["heads"])
        loss = F.cross_entropy(out.reshape(-1, out.shape[-1]), window[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        times.append(time.perf_counter() - start)
    apart = numpy.abs(numpy.array(losses) - theirs).max()
    took = sorted(times)[len(times) // 2] * 1e3
    print(f"PyTorch {torch.__version__}: loss {losses[0]:.6f} to {losses[-1]:.6f}; over {len(losses)} steps at most {apart:.1e} from "
          f"Tenon's; {took:.1f} ms a step, {took / settings['milliseconds']:.2f} times Tenon's {settings['milliseconds']:.1f}")
    return 0 if apart <= 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
