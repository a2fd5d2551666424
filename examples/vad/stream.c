/* Streams a recording through the voice detector that examples/vad.cc saved: C that knows Tenon by silero_vad.h alone.
 * usage: stream RECORDING.wav PROBABILITIES.txt: mono, 16 bits, 16 kHz; one line for each chunk of 32 ms. */
#include <stdio.h>
#include <string.h>

#include "silero_vad.h"

enum { CONTEXT = 64, CHUNK = 512, HEADER = 44 };

int main(int argc, char** argv) {
  static float heard[CONTEXT + CHUNK], states[2][256];
  unsigned char header[HEADER], bytes[2 * CHUNK];
  int now = 0, code = TENON_OK;
  if (argc != 3) return fprintf(stderr, "usage: stream RECORDING.wav PROBABILITIES.txt\n"), 2;
  FILE* in = fopen(argv[1], "rb");
  FILE* out = fopen(argv[2], "w");
  if (!in || !out) return perror("stream"), 1;
  if (fread(header, 1, HEADER, in) != HEADER || memcmp(header, "RIFF", 4) != 0 || header[22] != 1 || header[34] != 16)
    return fprintf(stderr, "stream: %s is no mono recording of 16 bits\n", argv[1]), 1;
  while (code == TENON_OK && fread(bytes, 1, sizeof bytes, in) == sizeof bytes) {
    float probability = 0;
    memmove(heard, heard + CHUNK, CONTEXT * sizeof *heard);
    for (int i = 0; i < CHUNK; ++i) {
      const int sample = bytes[2 * i] | bytes[2 * i + 1] << 8;
      heard[CONTEXT + i] = (float)(sample < 32768 ? sample : sample - 65536) / 32768;
    }
    const void* inputs[] = {heard, states[now]};
    void* outputs[] = {&probability, states[1 - now]};
    code = silero_vad_run(inputs, outputs, NULL, NULL);
    now = 1 - now;
    fprintf(out, "%.9g\n", (double)probability);
  }
  if (code != TENON_OK) fprintf(stderr, "stream: %s\n", silero_vad_message(code));
  fclose(in);
  return fclose(out) == 0 && code == TENON_OK ? 0 : 1;
}
