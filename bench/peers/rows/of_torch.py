# The rows in PyTorch, eagerly, as its users write them. A loop of a hundred thousand tiny steps has no formula here.
import itertools

import torch
import torch.nn.functional as F


def start(threads):
    torch.set_num_threads(threads)
    return "PyTorch " + torch.__version__


def prepared(make, arguments, values):
    f = make(**arguments)
    inputs = [torch.from_numpy(v) for v in values]
    return f(*inputs) if getattr(f, "prepares", False) else lambda: f(*inputs)


def prepares(f):
    """f gets the inputs once and gives what is called again and again."""
    f.prepares = True
    return f


def flat(result):
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in flat(part)]
    return [result]


def arrays(result):
    return [leaf.detach().float().numpy() if leaf.is_floating_point() else leaf.numpy() for leaf in flat(result)]


def chain(x):
    t = x * 1.1
    t = t + 0.5
    t = t * x
    t = t - 0.25
    t = t * 0.7
    t = t + x
    t = t * t
    return t - 1.0


def layer_norm(x, scale, shift):
    return F.layer_norm(x, (x.shape[-1],), scale, shift)


def attention(q, k, v):
    return torch.softmax(q @ k.transpose(1, 2) * q.shape[-1] ** -0.5, -1) @ v


def own_attention(causal):
    def f(q, k, v):
        return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0]

    return f


UNARY = {
    "exp": torch.exp,
    "tanh": torch.tanh,
    "log1p": torch.log1p,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "gelu": F.gelu,
}


def matmul_halves():
    @prepares
    def f(a, b):
        x, y = a.bfloat16(), b.bfloat16()
        return lambda: x @ y

    return f


def convolution(layout="NCHW", stride=1, groups=1):
    @prepares
    def f(x, w):
        if layout == "NHWC":  # the same memory, under PyTorch's name of it
            x = x.permute(0, 3, 1, 2)
            w = w.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
            return lambda: F.conv2d(x, w, stride=stride, padding=1, groups=groups).permute(0, 2, 3, 1)
        return lambda: F.conv2d(x, w, stride=stride, padding=1, groups=groups)

    return f


def convolution_gradient(of):
    mask = [of == 0, of == 1, False]
    one = [1, 1]

    def f(x, w, c):
        return torch.ops.aten.convolution_backward(c, x, w, None, one, one, one, False, [0, 0], 1, mask)[of]

    return f


def gradient(f):
    """Of f's result with a cotangent that comes last, by all other arguments."""

    @prepares
    def g(*inputs):
        *x, c = inputs
        for leaf in x:
            leaf.requires_grad_(True)
        return lambda: torch.autograd.grad(f(*x), x, c)

    return g


@prepares
def cross_entropy_gradient(logits, labels):
    logits.requires_grad_(True)

    def run():
        loss = F.cross_entropy(logits, labels)
        return loss, torch.autograd.grad(loss, logits)

    return run


@prepares
def embedding_gradient(weight, indices, cotangent):
    weight.requires_grad_(True)
    return lambda: torch.autograd.grad(F.embedding(indices, weight), weight, cotangent)


@prepares
def adamw(p, g, m, v):
    p.grad = g
    optimizer = torch.optim.AdamW([p], lr=1e-3, weight_decay=1e-2)

    def run():
        optimizer.step()
        return p

    return run


@prepares
def mlp_step(*inputs):
    p, (images, labels) = list(inputs[:6]), inputs[-2:]
    labels = labels.long()
    for leaf in p:
        leaf.requires_grad_(True)
    optimizer = torch.optim.AdamW(p, lr=1e-3, weight_decay=1e-4)

    def run():
        x = images.float() * (1.0 / 255.0)
        h = F.relu(torch.addmm(p[1], x, p[0]))
        h = F.relu(torch.addmm(p[3], h, p[2]))
        loss = F.cross_entropy(torch.addmm(p[5], h, p[4]), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss, [leaf.detach() for leaf in p]

    return run


def block_gradient(heads):
    @prepares
    def f(*inputs):
        p, x = inputs[:12], inputs[12]
        for leaf in p:
            leaf.requires_grad_(True)
        norm1, shift1, qkv, qkv_bias, out, out_bias, norm2, shift2, up, up_bias, down, down_bias = p
        batch, tokens, width = x.shape
        seen = torch.ones(tokens, tokens, dtype=torch.bool).tril()

        def run():
            y = layer_norm(x, norm1, shift1) @ qkv + qkv_bias
            q, k, v = y.reshape(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
            scores = q @ k.transpose(2, 3) * (width // heads) ** -0.5
            mixed = torch.softmax(scores.masked_fill(~seen, -1e9), -1) @ v
            h = x + mixed.transpose(1, 2).reshape(x.shape) @ out + out_bias
            z = h + F.gelu(layer_norm(h, norm2, shift2) @ up + up_bias) @ down + down_bias
            loss = (z * z).mean()
            return loss, torch.autograd.grad(loss, p)

        return run

    return f


def add_of_many():
    """x + x of the first n elements, n another one of 1 to 100 in each call, beginning with 8."""
    parts, turn = [], itertools.count()

    def f(x):
        if not parts:
            parts.extend(x[: n + 1].clone() for n in range(100))
        part = parts[(7 + 37 * next(turn)) % 100]
        return part + part

    return f


FORMULAS = {
    "chain": lambda: chain,
    "gelu of affine": lambda: lambda x, w, b: F.gelu(x * w + b),
    "softmax": lambda: lambda x: torch.softmax(x, -1),
    "layer_norm": lambda: layer_norm,
    "sum of exp": lambda: lambda x, y: torch.sum(torch.exp(x) * y),
    "column sums": lambda: lambda x: x.sum(0),
    "argmax": lambda: lambda x: x.argmax(1),
    "matmul": lambda: torch.matmul,
    "matmul bf16": matmul_halves,
    "attention": lambda: attention,
    "own attention": own_attention,
    "attention gradient": lambda causal: gradient(own_attention(causal)),
    "unary": lambda function: UNARY[function],
    "pow": lambda: torch.pow,
    "add": lambda: torch.add,
    "add of many": add_of_many,
    "sort": lambda: lambda x: torch.sort(x, -1)[0],
    "argsort": lambda: lambda x: torch.sort(x, dim=-1, stable=True)[1],
    "topk": lambda k: lambda x: torch.topk(x, k),
    "transpose": lambda: lambda x: x.t().contiguous(),
    "concat": lambda axis: lambda *parts: torch.cat(parts, axis),
    "scatter_add": lambda: lambda into, i, updates: into.scatter_add(0, i, updates),
    "softmax gradient": lambda: gradient(lambda x: torch.softmax(x, -1)),
    "layer_norm gradient": lambda: gradient(layer_norm),
    "cross_entropy gradient": lambda: cross_entropy_gradient,
    "embedding gradient": lambda: embedding_gradient,
    "adamw": lambda: adamw,
    "conv": convolution,
    "conv gradient": convolution_gradient,
    "mlp step": lambda: mlp_step,
    "block gradient": block_gradient,
}
