# The rows in JAX, each one jitted function; a call ends when its results are there.
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def start(threads):
    # A call runs where it is made: handing it to another thread costs small ones 50 us and gains large ones nothing.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    jax.block_until_ready(jnp.ones(8) + 1)  # the pool starts here
    return "JAX " + jax.__version__


def prepared(make, arguments, values):
    f = make(**arguments)
    if getattr(f, "by_itself", False):
        return lambda: f(*values)
    compiled = jax.jit(f)
    inputs = [jnp.asarray(v) for v in values]
    if isinstance(compiled(*inputs), jax.Array):
        return lambda: compiled(*inputs).block_until_ready()
    return lambda: jax.block_until_ready(compiled(*inputs))


def arrays(result):
    return [np.asarray(leaf.astype(jnp.float32) if leaf.dtype == jnp.bfloat16 else leaf) for leaf in jax.tree.leaves(result)]


def chain(x):
    t = x * 1.1
    t = t + 0.5
    t = t * x
    t = t - 0.25
    t = t * 0.7
    t = t + x
    t = t * t
    return t - 1.0


def gelu(x):
    return jax.nn.gelu(x, approximate=False)


def softmax(x):
    return jax.nn.softmax(x, -1)


def layer_norm(x, scale, shift):
    mean = x.mean(-1, keepdims=True)
    variance = jnp.mean((x - mean) ** 2, -1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * scale + shift


def attention(q, k, v):
    return softmax(q @ jnp.swapaxes(k, 1, 2) * q.shape[-1] ** -0.5) @ v


def own_attention(causal):
    def f(q, k, v):
        x = [jnp.swapaxes(t, 0, 1)[None] for t in (q, k, v)]  # batch, tokens, heads, depth
        return jnp.swapaxes(jax.nn.dot_product_attention(*x, is_causal=causal)[0], 0, 1)

    return f


UNARY = {
    "exp": jnp.exp,
    "tanh": jnp.tanh,
    "log1p": jnp.log1p,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "gelu": gelu,
}


def matmul_halves():
    compiled, halves = jax.jit(jnp.matmul), []

    def f(a, b):
        if not halves:
            halves.extend(jnp.asarray(x, jnp.bfloat16) for x in (a, b))
        return compiled(*halves).block_until_ready()

    f.by_itself = True
    return f


def convolution(layout="NCHW", stride=1, groups=1):
    numbers = ("NCHW", "OIHW", "NCHW") if layout == "NCHW" else ("NHWC", "HWIO", "NHWC")

    def f(x, w):
        return lax.conv_general_dilated(
            x, w, (stride, stride), [(1, 1), (1, 1)], dimension_numbers=numbers, feature_group_count=groups)

    return f


def convolution_gradient(of):
    f = convolution()
    return lambda x, w, c: jax.grad(lambda x, w: jnp.sum(f(x, w) * c), argnums=of)(x, w)


def cross_entropy(logits, labels):
    logs = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(logs, labels.astype(jnp.int32)[:, None], 1))


def advance(p, _):
    x, y, z = p
    dx = (y - x) * 10.0
    dy = x * (28.0 - z) - y
    dz = x * y - z * (8.0 / 3.0)
    return (x + dx * 0.001, y + dy * 0.001, z + dz * 0.001), None


def lorenz(steps):
    return lambda x, y, z: lax.scan(advance, (x, y, z), length=steps)[0]


def lorenz_gradient(steps):
    f = lorenz(steps)
    return lambda *p: jax.grad(lambda p: sum(f(*p)))(p)


def adamw_of(p, g, m, v, t, rate, decay):
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    step = (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return p - rate * (step + decay * p), m, v


def mlp_loss(p, images, labels):
    x = images.astype(jnp.float32) * (1.0 / 255.0)
    h = jax.nn.relu(x @ p[0] + p[1])
    h = jax.nn.relu(h @ p[2] + p[3])
    return cross_entropy(h @ p[4] + p[5], labels)


def mlp_step():
    def f(*inputs):
        p, (images, labels) = inputs[:6], inputs[-2:]
        m, v, step = inputs[6:12], inputs[12:18], inputs[18]
        loss, g = jax.value_and_grad(mlp_loss)(p, images, labels)
        t = (step + 1).astype(jnp.float32)
        new = [adamw_of(*each, t, 1e-3, 1e-4) for each in zip(p, g, m, v)]
        return loss, [n[0] for n in new], [n[1] for n in new], [n[2] for n in new], step + 1

    return f


def block_loss(heads):
    def f(p, x):
        norm1, shift1, qkv, qkv_bias, out, out_bias, norm2, shift2, up, up_bias, down, down_bias = p
        batch, tokens, width = x.shape
        y = layer_norm(x, norm1, shift1) @ qkv + qkv_bias
        q, k, v = jnp.transpose(y.reshape(batch, tokens, 3, heads, -1), (2, 0, 3, 1, 4))
        scores = q @ jnp.swapaxes(k, 2, 3) * (width // heads) ** -0.5
        at = jnp.arange(tokens)
        mixed = softmax(jnp.where(at[:, None] >= at[None, :], scores, -1e9)) @ v
        x = x + jnp.swapaxes(mixed, 1, 2).reshape(x.shape) @ out + out_bias
        y = x + gelu(layer_norm(x, norm2, shift2) @ up + up_bias) @ down + down_bias
        return jnp.mean(y * y)

    return f


def block_gradient(heads):
    return lambda *inputs: jax.value_and_grad(block_loss(heads))(inputs[:12], inputs[12])


def compile_of(formula, **arguments):
    f = FORMULAS[formula](**arguments)

    def compile_again(*values):
        jax.clear_caches()
        jax.jit(lambda *inputs: f(*inputs)).lower(*values).compile()

    compile_again.by_itself = True
    return compile_again


def add_of_many():
    """x + x of the first n elements, n another one of 1 to 100 in each call, beginning with 8."""
    compiled = jax.jit(jnp.add)
    parts, turn = [], itertools.count()

    def f(x):
        if not parts:
            parts.extend(jnp.asarray(x[: n + 1]) for n in range(100))
            for part in parts:  # compiles
                compiled(part, part)
        part = parts[(7 + 37 * next(turn)) % 100]
        return compiled(part, part).block_until_ready()

    f.by_itself = True
    return f


def gradient(f):
    """Of the sum of f's result times a cotangent that comes last, by all other arguments."""

    def g(*inputs):
        *x, c = inputs
        return jax.grad(lambda *x: jnp.sum(f(*x) * c), argnums=tuple(range(len(x))))(*x)

    return g


FORMULAS = {
    "chain": lambda: chain,
    "gelu of affine": lambda: lambda x, w, b: gelu(x * w + b),
    "softmax": lambda: softmax,
    "layer_norm": lambda: layer_norm,
    "sum of exp": lambda: lambda x, y: jnp.sum(jnp.exp(x) * y),
    "column sums": lambda: lambda x: x.sum(0),
    "argmax": lambda: lambda x: x.argmax(1),
    "matmul": lambda: jnp.matmul,
    "matmul bf16": matmul_halves,
    "attention": lambda: attention,
    "own attention": own_attention,
    "attention gradient": lambda causal: gradient(own_attention(causal)),
    "unary": lambda function: UNARY[function],
    "pow": lambda: jnp.power,
    "add": lambda: jnp.add,
    "add of many": add_of_many,
    "sort": lambda: lambda x: jnp.sort(x, axis=-1),
    "argsort": lambda: lambda x: jnp.argsort(x, axis=-1),
    "topk": lambda k: lambda x: lax.top_k(x, k),
    "transpose": lambda: jnp.transpose,
    "concat": lambda axis: lambda *parts: jnp.concatenate(parts, axis),
    "scatter_add": lambda: lambda into, i, updates: into.at[i].add(updates),
    "softmax gradient": lambda: gradient(softmax),
    "layer_norm gradient": lambda: gradient(layer_norm),
    "cross_entropy gradient": lambda: jax.value_and_grad(cross_entropy),
    "embedding gradient": lambda: lambda w, i, c: jax.grad(lambda w: jnp.sum(w[i] * c))(w),
    "adamw": lambda: lambda p, g, m, v: adamw_of(p, g, m, v, 1.0, 1e-3, 1e-2),
    "conv": convolution,
    "conv gradient": convolution_gradient,
    "lorenz": lorenz,
    "lorenz gradient": lorenz_gradient,
    "mlp step": mlp_step,
    "block gradient": block_gradient,
    "compile": compile_of,
}
