# The rows in NumPy, with SciPy where a function is missing. What nobody would write in NumPy has no formula here.
import itertools

import numpy as np


def start(threads):
    return "NumPy " + np.__version__


def prepared(make, arguments, values):
    f = make(**arguments)
    return lambda: f(*values)


def arrays(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def erf(x):
    from scipy.special import erf as of

    return of(x)


def chain(x):
    t = x * np.float32(1.1)
    t = t + np.float32(0.5)
    t = t * x
    t = t - np.float32(0.25)
    t = t * np.float32(0.7)
    t = t + x
    t = t * t
    return t - np.float32(1)


def gelu(t):
    return t * np.float32(0.5) * (1 + erf(t * np.float32(0.70710678)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(x, scale, shift):
    mean = x.mean(-1, keepdims=True)
    centred = x - mean
    variance = (centred * centred).mean(-1, keepdims=True)
    return centred / np.sqrt(variance + np.float32(1e-5)) * scale + shift


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


UNARY = {
    "exp": np.exp,
    "tanh": np.tanh,
    "log1p": np.log1p,
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: np.logaddexp(x, np.float32(0)),
    "gelu": gelu,
}


def topk(k):
    def f(x):
        places = np.argpartition(-x, k, axis=-1)[:, :k]
        values = np.take_along_axis(x, places, 1)
        order = np.argsort(-values, axis=-1)
        return np.take_along_axis(values, order, 1), np.take_along_axis(places, order, 1)

    return f


def scatter_add(into, indices, updates):
    return np.bincount(indices, weights=updates, minlength=into.shape[0]).astype("f4") + into


def cross_entropy_gradient(logits, labels):
    m = logits.max(-1, keepdims=True)
    e = np.exp(logits - m)
    total = e.sum(-1, keepdims=True)
    rows = np.arange(len(labels))
    loss = np.mean(np.log(total[:, 0]) + m[:, 0] - logits[rows, labels])
    gradient = e / total
    gradient[rows, labels] -= 1
    gradient /= np.float32(len(labels))
    return loss, gradient


def softmax_gradient(x, c):
    y = softmax(x)
    return y * (c - (c * y).sum(-1, keepdims=True))


def embedding_gradient(weight, indices, cotangent):
    gradient = np.zeros_like(weight)
    np.add.at(gradient, indices, cotangent)
    return gradient


def adamw(p, g, m, v):
    m = np.float32(0.9) * m + np.float32(0.1) * g
    v = np.float32(0.999) * v + np.float32(0.001) * g * g
    step = (m / np.float32(0.1)) / (np.sqrt(v / np.float32(0.001)) + np.float32(1e-8))
    return p - np.float32(1e-3) * (step + np.float32(1e-2) * p), m, v


def attention(q, k, v):
    return softmax(q @ k.transpose(0, 2, 1) * np.float32(q.shape[-1] ** -0.5)) @ v


def add_of_many():
    """x + x of the first n elements, n another one of 1 to 100 in each call, beginning with 8."""
    parts, turn = [], itertools.count()

    def f(x):
        if not parts:
            parts.extend(x[: n + 1] for n in range(100))
        part = parts[(7 + 37 * next(turn)) % 100]
        return part + part

    return f


FORMULAS = {
    "chain": lambda: chain,
    "gelu of affine": lambda: lambda x, w, b: gelu(x * w + b),
    "softmax": lambda: softmax,
    "layer_norm": lambda: layer_norm,
    "sum of exp": lambda: lambda x, y: np.sum(np.exp(x) * y),
    "column sums": lambda: lambda x: x.sum(0),
    "argmax": lambda: lambda x: x.argmax(1),
    "matmul": lambda: np.matmul,
    "attention": lambda: attention,
    "unary": lambda function: UNARY[function],
    "pow": lambda: np.power,
    "add": lambda: np.add,
    "add of many": add_of_many,
    "sort": lambda: lambda x: np.sort(x, axis=-1),
    "argsort": lambda: lambda x: np.argsort(x, axis=-1, kind="stable"),
    "topk": topk,
    "transpose": lambda: lambda x: np.ascontiguousarray(x.T),
    "concat": lambda axis: lambda *parts: np.concatenate(parts, axis),
    "scatter_add": lambda: scatter_add,
    "softmax gradient": lambda: softmax_gradient,
    "cross_entropy gradient": lambda: cross_entropy_gradient,
    "embedding gradient": lambda: embedding_gradient,
    "adamw": lambda: adamw,
}
