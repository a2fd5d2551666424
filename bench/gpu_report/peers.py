# Measures PyTorch (eager, or torch.compile) or JAX on the shapes that it is given, as the report measures Tenon: warm, by the host's
# clock around many calls and one wait, random inputs that rotate, medians. Prints a JSON line for each case, or one that says why
# there is none. usage: peers.py torch|compile|jax REQUESTS SECONDS [--quick]. Refuses to install and to download anything.
import json
import os
import sys
import time

START = time.monotonic()


def say(**fields):
    print(json.dumps(fields), flush=True)


def timing(call, wait, quick):
    """The median seconds of call(i), and the 90th percentile / the median."""
    number = 0
    for _ in range(3):
        call(number)
        number += 1
    wait()
    start = time.perf_counter()
    call(number)
    wait()
    once = time.perf_counter() - start
    repetitions = 3 if quick else int(min(12, max(3, 3 / once)))
    calls = 1 if quick else int(min(2000, max(1, 0.3 / repetitions / once)))
    found = []
    for _ in range(repetitions):
        start = time.perf_counter()
        for _ in range(calls):
            call(number)
            number += 1
        wait()
        found.append((time.perf_counter() - start) / calls)
    found.sort()
    middle = found[len(found) // 2]
    return middle, found[min(len(found) - 1, len(found) * 9 // 10)] / middle


def elements(shape):
    count = 1
    for extent in shape:
        count *= extent
    return count


def shapes_of(request):
    """All inputs: those of norms and losses have parameters, labels or a cotangent beside x."""
    formula, shapes = request["formula"], request["shapes"]
    x = shapes[0]
    if formula in ("layer_norm", "rms_norm"):
        return [x, [x[1]], [x[1]]]
    if formula == "gradients of layer_norm":
        return [x, [x[1]], [x[1]], x]
    return shapes


def copies_of(request, cache=64 << 20):
    size = {"bf16": 2, "f16": 2, "f64": 8}.get(request["dtype"], 4)
    moved = sum(elements(s) for s in shapes_of(request)) * size
    return min(48, max(1, -(-3 * cache // moved)))


# ---- PyTorch ----------------------------------------------------------------------------------------------------------


def torch_mlp(torch, request, compiled):
    from torch import nn
    import torch.nn.functional as F

    batch = request["shapes"][0][0]
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    images = torch.randint(0, 256, (batch, 784), dtype=torch.uint8, device="cuda")
    labels = torch.randint(0, 10, (batch,), device="cuda")

    def loss_of(images, labels):
        return F.cross_entropy(model(images.float() * (1 / 255)), labels)

    return training(torch, loss_of, optimizer, images, labels, compiled)


def torch_transformer(torch, request, compiled):
    from torch import nn
    import torch.nn.functional as F

    batch, tokens, width, heads, layers, vocabulary = request["shapes"][0]
    dtype = torch.bfloat16 if request["dtype"] == "bf16" else torch.float32

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(tokens, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

        def forward(self, x):
            return self.head(self.norm(self.blocks(self.embedding(x) + self.positions.weight)))

    model = Model().cuda().to(dtype)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    inputs = torch.randint(0, vocabulary, (batch, tokens), device="cuda")
    labels = torch.randint(0, vocabulary, (batch, tokens), device="cuda")

    def loss_of(inputs, labels):
        return F.cross_entropy(model(inputs).view(-1, vocabulary), labels.view(-1))

    return training(torch, loss_of, optimizer, inputs, labels, compiled)


def training(torch, loss_of, optimizer, inputs, labels, compiled):
    loss_of = torch.compile(loss_of, dynamic=False) if compiled else loss_of

    def step(_):
        loss = loss_of(inputs, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def torch_case(torch, request, compiled):
    import torch.nn.functional as F

    formula, dtype = request["formula"], {"bf16": torch.bfloat16, "f16": torch.float16}.get(request["dtype"], torch.float32)
    if formula == "mlp step":
        return torch_mlp(torch, request, compiled)
    if formula == "transformer step":
        return torch_transformer(torch, request, compiled)

    def chain(x):
        y = x
        for _ in range(4):
            y = (y * 1.01 + 0.1) * x
        return y

    def summed(*all):
        total = all[0]
        for x in all[1:]:
            total = total + x
        return total

    def norm_loss(x, scale, shift, weight):
        return (F.layer_norm(x, scale.shape, scale, shift).float() * weight.float()).sum()

    values = {
        "scale": lambda x: x * 1.5,
        "sum of inputs": summed,
        "product of inputs": lambda x, y: x * y,
        "plus transposed": lambda x, y: x + y.t(),
        "transpose": lambda x: (x.t() * 1.5).contiguous(),
        "gelu": F.gelu,
        "chain": chain,
        "matmul": lambda a, b: a @ b,
        "gelu linear": lambda x, w, b: F.gelu(torch.addmm(b, x, w)),
        "softmax": lambda x: torch.softmax(x, -1),
        "layer_norm": lambda x, scale, shift: F.layer_norm(x, scale.shape, scale, shift),
        "rms_norm": lambda x, scale, _: F.rms_norm(x, scale.shape, scale, 1e-6),
        "row sums": lambda x: x.sum(1),
        "column sums": lambda x: x.sum(0),
    }
    losses = {"cross entropy and gradient": (F.cross_entropy, 1), "gradients of layer_norm": (norm_loss, 3)}
    if formula not in values and formula not in losses:
        return None
    sets = []
    for _ in range(copies_of(request)):
        inputs = [torch.randn(s, dtype=torch.float32, device="cuda").to(dtype) for s in shapes_of(request)]
        if formula == "cross entropy and gradient":
            inputs.append(torch.randint(0, inputs[0].shape[1], (inputs[0].shape[0],), device="cuda"))
        sets.append(inputs)
    held = [None] * len(sets)
    if formula in values:
        f = torch.compile(values[formula], dynamic=False) if compiled else values[formula]

        def call(i):
            with torch.no_grad():
                held[i % len(sets)] = f(*sets[i % len(sets)])

        return call
    loss_of, wanted = losses[formula]
    loss_of = torch.compile(loss_of, dynamic=False) if compiled else loss_of
    for inputs in sets:
        for x in inputs[:wanted]:
            x.requires_grad_(True)

    def call_gradient(i):
        inputs = sets[i % len(sets)]
        held[i % len(sets)] = torch.autograd.grad(loss_of(*inputs), inputs[:wanted])

    return call_gradient


def measure_torch(requests, end, compiled, quick):
    import torch

    if not torch.cuda.is_available():
        return "PyTorch " + torch.__version__ + " sees no GPU"
    torch.backends.cuda.matmul.allow_tf32 = False  # f32 is f32
    torch.manual_seed(1)
    for request in requests:
        if time.monotonic() > end:
            return None
        measure(request, lambda r: torch_case(torch, r, compiled), torch.cuda.synchronize, quick)
        torch._dynamo.reset() if compiled else None
        torch.cuda.empty_cache()
    return "PyTorch " + torch.__version__


# ---- JAX --------------------------------------------------------------------------------------------------------------


def jax_case(jax, request):
    import jax.numpy as jnp

    formula = request["formula"]
    dtype = {"bf16": jnp.bfloat16, "f16": jnp.float16}.get(request["dtype"], jnp.float32)

    def chain(x):
        y = x
        for _ in range(4):
            y = (y * 1.01 + 0.1) * x
        return y

    def summed(*all):
        total = all[0]
        for x in all[1:]:
            total = total + x
        return total

    def layer_norm(x, scale, shift):
        d = x - x.mean(-1, keepdims=True)
        return d * jax.lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-5) * scale + shift

    def cross_entropy(x, labels):
        return -jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], 1).mean()

    def norm_loss(x, scale, shift, weight):
        return (layer_norm(x, scale, shift).astype(jnp.float32) * weight.astype(jnp.float32)).sum()

    values = {
        "scale": lambda x: x * 1.5,
        "sum of inputs": summed,
        "product of inputs": lambda x, y: x * y,
        "plus transposed": lambda x, y: x + y.T,
        "transpose": lambda x: x.T * 1.5,
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "chain": chain,
        "matmul": lambda a, b: jnp.matmul(a, b, precision="highest"),
        "gelu linear": lambda x, w, b: jax.nn.gelu(jnp.matmul(x, w, precision="highest") + b, approximate=False),
        "softmax": lambda x: jax.nn.softmax(x, -1),
        "layer_norm": layer_norm,
        "rms_norm": lambda x, scale, _: x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale,
        "row sums": lambda x: x.sum(1),
        "column sums": lambda x: x.sum(0),
        "cross entropy and gradient": jax.value_and_grad(cross_entropy),
        "gradients of layer_norm": jax.grad(norm_loss, (0, 1, 2)),
    }
    if formula not in values:
        return None
    key, sets = jax.random.key(1), []
    for _ in range(copies_of(request)):
        inputs = []
        for shape in shapes_of(request):
            key, k = jax.random.split(key)
            inputs.append(jax.random.normal(k, shape, dtype))
        if formula == "cross entropy and gradient":
            key, k = jax.random.split(key)
            inputs.append(jax.random.randint(k, (inputs[0].shape[0],), 0, inputs[0].shape[1]))
        sets.append(inputs)
    held, f = [None] * len(sets), jax.jit(values[formula])

    def call(i):
        held[0] = f(*sets[i % len(sets)])

    call.wait = lambda: jax.block_until_ready(held[0])  # work runs in the order in which it was queued
    return call


def measure_jax(requests, end, quick):
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    if jax.default_backend() != "gpu":
        return "JAX " + jax.__version__ + " sees no GPU"
    for request in requests:
        if time.monotonic() > end:
            return None
        measure(request, lambda r: jax_case(jax, r), None, quick)
        jax.clear_caches()
    return "JAX " + jax.__version__


def measure(request, make, wait, quick):
    try:
        call = make(request)
        if call is None:
            return
        seconds, spread = timing(call, wait or call.wait, quick)
        say(case=request["case"], seconds=seconds, spread=spread)
    except Exception as error:  # out of memory, a shape that it does not take: said, and on to the next
        say(case=request["case"], seconds=0, spread=0, words=type(error).__name__ + ": " + str(error)[:200])


def main():
    who, path, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    quick = "--quick" in sys.argv
    with open(path) as file:
        requests = json.load(file)
    end = START + seconds
    try:
        words = measure_jax(requests, end, quick) if who == "jax" else measure_torch(requests, end, who == "compile", quick)
    except ImportError as error:
        words = str(error)
    if words is None:  # the next report asks for the rest
        sys.exit(1)
    say(words=words)


main()
