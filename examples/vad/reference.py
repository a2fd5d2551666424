# The same recording through the same model in ONNX Runtime, and how far the probabilities of other runs are from it.
# usage: reference.py MODEL.onnx RECORDING.wav PROBABILITIES.txt...: fails where one is off by more than 1e-4.
import sys
import time
import wave

import numpy
import onnxruntime

model, recording, runs = sys.argv[1], sys.argv[2], sys.argv[3:]
options = onnxruntime.SessionOptions()
options.inter_op_num_threads = options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
with wave.open(recording) as file:
    assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
    samples = numpy.frombuffer(file.readframes(file.getnframes()), '<i2').astype(numpy.float32) / 32768
heard, state, expected = numpy.zeros((1, 64), numpy.float32), numpy.zeros((2, 1, 128), numpy.float32), []
start = time.perf_counter()
for at in range(0, len(samples) - 511, 512):
    heard = numpy.concatenate([heard[:, -64:], samples[None, at:at + 512]], axis=1)
    probability, state = session.run(None, {'input': heard, 'state': state, 'sr': numpy.array(16000)})
    expected.append(probability[0, 0])
spent = (time.perf_counter() - start) / len(expected)
print(f'ONNX Runtime {onnxruntime.__version__}: {len(expected)} chunks, {1e6 * spent:.0f} us each')
worst = 0
for run in runs:
    found = numpy.loadtxt(run)
    apart = numpy.abs(found - numpy.array(expected)).max() if len(found) == len(expected) else float('inf')
    worst = max(worst, apart)
    print(f'{run}: off by at most {apart:.2g}')
sys.exit(1 if worst > 1e-4 else 0)
