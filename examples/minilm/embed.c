/* Sentence embeddings in C: the encoder is an object that `minilm FOLDER ship` saved, its weights are a file beside it. Knows Tenon by
 * the program's header alone, and serves any number of sentences up to 64 of any length up to 256 in one call.
 * usage: embed WEIGHTS BATCH < IDS > EMBEDDINGS; a line holds the token ids of a sentence, and becomes 384 floats */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "embed.h"

enum { WIDTH = 384, MOST = 64, LONGEST = 256, WEIGHTS = embed_inputs - 3 };

static const void* inputs[embed_inputs]; /* the weights, then ids, lengths and the places of tokens */

/* The weights lie one after the other, in the order of the inputs; the system maps them. */
static int map_weights(const char* path) {
  const int64_t dims[3] = {1, 1, 1};
  uint64_t in[embed_inputs], out[embed_outputs], at = 0;
  struct stat file;
  int descriptor = open(path, O_RDONLY);
  if (descriptor < 0 || fstat(descriptor, &file) != 0 || embed_sizes(dims, in, out) != TENON_OK) return 0;
  const char* bytes = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  for (int i = 0; i < WEIGHTS; i++) {
    inputs[i] = bytes + at;
    at += in[i];
  }
  return bytes != MAP_FAILED && at == (uint64_t)file.st_size;
}

/* Reads a line of ids; their number, or 0 at the end. */
static int32_t read_sentence(int32_t* ids) {
  char line[8 * LONGEST];
  int32_t count = 0;
  if (fgets(line, sizeof line, stdin) == NULL) return 0;
  for (char *at = line, *end; count < LONGEST; at = end) {
    ids[count] = (int32_t)strtol(at, &end, 10);
    if (end == at) break;
    count++;
  }
  return count;
}

int main(int argc, char** argv) {
  static int32_t sentences[MOST][LONGEST], ids[MOST * LONGEST], lengths[MOST], tokens[MOST * LONGEST];
  static float embeddings[MOST * WIDTH];
  const int64_t batch = argc == 3 ? atoi(argv[2]) : 0;
  if (batch < 1 || batch > MOST) return fprintf(stderr, "usage: embed WEIGHTS BATCH < IDS > EMBEDDINGS\n"), 2;
  if (!map_weights(argv[1])) return fprintf(stderr, "embed: %s is no file of these weights\n", argv[1]), 1;
  inputs[WEIGHTS] = ids, inputs[WEIGHTS + 1] = lengths, inputs[WEIGHTS + 2] = tokens;
  void* outputs[1] = {embeddings};
  for (;;) {
    int64_t dims[3] = {0, 0, 0}; /* sentences, the length of the longest, tokens of all */
    while (dims[0] < batch && (lengths[dims[0]] = read_sentence(sentences[dims[0]])) > 0) {
      if (lengths[dims[0]] > dims[1]) dims[1] = lengths[dims[0]];
      dims[0]++;
    }
    if (dims[0] == 0) return 0;
    for (int64_t i = 0; i < dims[0]; i++)
      for (int64_t t = 0; t < dims[1]; t++) {
        const int64_t place = i * dims[1] + t;
        ids[place] = t < lengths[i] ? sentences[i][t] : 0;
        if (t < lengths[i]) tokens[dims[2]++] = (int32_t)place;
      }
    const int32_t code = embed_run(inputs, outputs, dims, NULL);
    if (code != TENON_OK) return fprintf(stderr, "embed: %s\n", embed_message(code)), 1;
    fwrite(embeddings, sizeof(float), (size_t)dims[0] * WIDTH, stdout);
  }
}
