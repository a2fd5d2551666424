#!/usr/bin/env python3
# The step of examples/convnet.cc in PyTorch: the same network, batch, augmentation and optimizer, eagerly, as PyTorch 1.13 runs it on the
# same threads; prints the median time of a step. usage: peer.py [THREADS [STEPS [channels_last]]]
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 30
last = len(sys.argv) > 3 and sys.argv[3] == "channels_last"
torch.set_num_threads(threads)
torch.manual_seed(1)
BATCH = 128


def block(inputs, outputs):
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


net = nn.Sequential(*block(1, 32), nn.MaxPool2d(2), *block(32, 64), nn.MaxPool2d(2), *block(64, 128), nn.Flatten(),
                    nn.Dropout(0.3), nn.Linear(7 * 7 * 128, 10))
if last:
    net = net.to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=2e-2)


def augmented(images):
    n = images.shape[0]
    framed = F.pad(images, (1, 1, 1, 1)).reshape(n, 30 * 30)
    down, right = torch.randint(0, 3, (n, 1, 1)), torch.randint(0, 3, (n, 1, 1))
    row, column = torch.arange(28).reshape(1, 28, 1), torch.arange(28).reshape(1, 1, 28)
    column = torch.where(torch.rand(n, 1, 1) < 0.5, 27 - column, column)
    return torch.gather(framed, 1, ((row + down) * 30 + right + column).reshape(n, 784)).reshape(n, 28, 28)


def step(images, labels):
    x = (augmented(images).float() * (1 / 255) - 0.286) * (1 / 0.353)
    x = x.unsqueeze(1)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    loss = F.cross_entropy(net(x), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


images = torch.randint(0, 256, (BATCH, 28, 28), dtype=torch.uint8)
labels = torch.randint(0, 10, (BATCH,))
times = []
for i in range(steps + 5):
    start = time.perf_counter()
    step(images, labels)
    if i >= 5:
        times.append(time.perf_counter() - start)
middle = statistics.median(times)
print(f"PyTorch {torch.__version__}, {threads} threads{', channels last' if last else ''}: "
      f"{middle * 1e3:.2f} ms a step (best {min(times) * 1e3:.2f}), {BATCH / middle:.0f} images/s")
