#!/usr/bin/env python3
# Small right files of every format that is fuzzed, to begin from. usage: seeds.py FOLDER, which gets one folder a format.
import gzip
import io
import json
import os
import struct
import sys
import zipfile


def npy(descr, shape, elements, fortran=False, version=1):
    header = "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, shape)
    header += ' ' * (-(len(header) + 11) % 64) + '\n'
    length = struct.pack('<H' if version == 1 else '<I', len(header))
    return b'\x93NUMPY' + bytes([version, 0]) + length + header.encode() + elements


def npz(members, compression):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', compression) as archive:
        for name, data in members:
            with archive.open(name, 'w', force_zip64=len(name) % 2 == 0) as member:
                member.write(data)
    return out.getvalue()


def safetensors(entries, metadata=None):
    header, elements = {}, b''
    if metadata:
        header['__metadata__'] = metadata
    for name, dtype, shape, data in entries:
        header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(elements), len(elements) + len(data)]}
        elements += data
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + elements


def text(value):
    return struct.pack('<Q', len(value)) + value


def gguf(pairs, tensors, version=3):
    out = b'GGUF' + struct.pack('<IQQ', version, len(tensors), len(pairs))
    for key, kind, value in pairs:
        out += text(key) + struct.pack('<I', kind) + value
    elements = b''
    for name, extents, kind, data in tensors:
        out += text(name) + struct.pack('<I', len(extents)) + b''.join(struct.pack('<Q', e) for e in extents)
        out += struct.pack('<IQ', kind, len(elements))
        elements += data + bytes(-len(data) % 32)
    return out + bytes(-len(out) % 32) + elements


arrays = [npy('<f4', (2,), bytes(8)), npy('>i2', (2, 3), bytes(12), True), npy('|b1', (), b'\1', version=2),
          npy('<c16', (1, 0, 2), b'', version=3), npy('<V2', (3,), bytes(6))]
names = [('a.npy', arrays[0]), ('bb.npy', arrays[1]), ('c.npy', arrays[2])]
def field(number, data):  # of a protocol buffer
    return bytes([number << 3 | 2, len(data)]) + data


def onnx():
    value = field(1, b'x') + field(2, field(1, b'\x08\x01' + field(2, field(1, b'\x08\x02'))))
    node = field(1, b'x') + field(1, b'w') + field(2, b'y') + field(4, b'Add') + field(5, field(1, b'axis') + b'\x18\x01\xa0\x01\x02')
    weight = b'\x08\x02\x10\x01' + field(8, b'w') + field(9, bytes(8))
    graph = field(1, node) + field(2, b'g') + field(5, weight) + field(11, value) + field(12, field(1, b'y'))
    return b'\x08\x08' + field(7, graph) + field(8, b'\x10\x11')


idx = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(6)
blocks = [(2, 18, 32), (3, 20, 32), (6, 22, 32), (7, 24, 32), (8, 34, 32), (12, 144, 256), (13, 176, 256), (14, 210, 256)]
seeds = {
    'idx': [idx, gzip.compress(idx), bytes([0, 0, 13, 1, 0, 0, 0, 1]) + bytes(4)],
    'csv': [b'a,b\n1,2.5\n,"x ""y"" z"\r\n', b'\xef\xbb\xbf1\n\n2\n', b'"a\nb",c', gzip.compress(b'a,b\n1,2.5\n')],
    'onnx': [onnx()],
    'npy': arrays,
    'npz': [npz(names, zipfile.ZIP_STORED), npz(names, zipfile.ZIP_DEFLATED), npz([], zipfile.ZIP_STORED)],
    'safetensors': [safetensors([]), safetensors([('a', 'F32', [2], bytes(8)), ('b', 'BOOL', [1, 2], b'\0\1')], {'format': 'pt'}),
                    safetensors([('\u00e9\n', 'BF16', [], bytes(2)), ('c', 'I64', [0, 3], b'')])],
    'gguf': [gguf([], []), gguf([(b'a', 8, text(b'x')), (b'b', 9, struct.pack('<IQ', 8, 2) + text(b'<s>') + text(b'')),
                                (b'c', 9, struct.pack('<IQ', 6, 1) + bytes(4)), (b'general.alignment', 4, struct.pack('<I', 32))],
                               [(b'w', [4, 2], 0, bytes(32)), (b'h', [3], 1, bytes(6))], 2),
             gguf([(b'k', 7, b'\1')], [(b't%d' % kind, [size, 2], kind, bytes(range(n % 256)) + bytes(2 * n - n % 256))
                                       for kind, n, size in blocks])],
}
for kind, files in seeds.items():
    folder = os.path.join(sys.argv[1], kind)
    os.makedirs(folder, exist_ok=True)
    for number, data in enumerate(files):
        with open(os.path.join(folder, 'seed-%d' % number), 'wb') as out:
            out.write(data)
