/* A service in C that knows Tenon by the headers of its two programs alone: a convolutional network with a free batch, and a
 * transformer with a free batch and length. Eight threads serve recorded requests of forty sizes, and compare every answer with the
 * recorded one to the bit; then every wrong call is made, and must be answered by its code.
 * usage: service FOLDER, where cnn.requests and transformer.requests lie; 0 where all is right. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn.h"
#include "transformer.h"

enum { THREADS = 8, MOST_REQUESTS = 64, ROUNDS = 6 };

struct program {
  const char* name;
  int32_t (*run)(const void* const*, void* const*, const int64_t*, const tenon_env*);
  int32_t (*sizes)(const int64_t*, uint64_t*, uint64_t*);
  const char* (*message)(int32_t);
  int extents, inputs;
};
static const struct program of_images = {"cnn", cnn_run, cnn_sizes, cnn_message, 1, cnn_inputs};
static const struct program of_tokens = {"transformer",     transformer_run, transformer_sizes, transformer_message, 2,
                                         transformer_inputs};

struct request {
  const struct program* program;
  int64_t dims[2];
  const void* inputs[2];
  void* expected;
  uint64_t bytes; /* of the answer */
};
static struct request requests[MOST_REQUESTS];
static int request_count;
static atomic_int next_job, wrong, served;

/* ---- the recorded requests ---- */

static void* read_bytes(FILE* file, uint64_t bytes) {
  void* memory = malloc(bytes + 1);
  if (memory == NULL || fread(memory, 1, bytes, file) != bytes) {
    free(memory);
    return NULL;
  }
  return memory;
}

static int load(const char* folder, const struct program* program) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.requests", folder, program->name);
  FILE* file = fopen(path, "rb");
  int64_t count = 0;
  int good = file != NULL && fread(&count, sizeof count, 1, file) == 1 && request_count + count <= MOST_REQUESTS;
  for (int64_t k = 0; good && k < count; k++) {
    struct request* r = &requests[request_count++];
    uint64_t in[2];
    r->program = program;
    good = fread(r->dims, sizeof r->dims[0], (size_t)program->extents, file) == (size_t)program->extents &&
           program->sizes(r->dims, in, &r->bytes) == TENON_OK;
    for (int i = 0; good && i < program->inputs; i++) good = (r->inputs[i] = read_bytes(file, in[i])) != NULL;
    good = good && (r->expected = read_bytes(file, r->bytes)) != NULL;
  }
  if (file != NULL) fclose(file);
  if (!good) fprintf(stderr, "service: %s is missing or damaged\n", path);
  return good;
}

/* ---- serving ---- */

/* Every other round runs in the calling thread alone; the others share the pool. */
static void serve(int job) {
  const struct request* r = &requests[job % request_count];
  void* answer = malloc(r->bytes + 1);
  void* outputs[1] = {answer};
  const tenon_env* env = job / request_count % 2 ? tenon_serial_env() : NULL;
  int32_t code = answer == NULL ? TENON_NO_MEMORY : r->program->run(r->inputs, outputs, r->dims, env);
  if (code != TENON_OK || memcmp(answer, r->expected, r->bytes) != 0) {
    fprintf(stderr, "service: %s of %lld, %lld: %s\n", r->program->name, (long long)r->dims[0], (long long)r->dims[1],
            code ? r->program->message(code) : "another answer");
    atomic_fetch_add(&wrong, 1);
  }
  free(answer);
}

static void* worker(void* unused) {
  (void)unused;
  for (;;) {
    int job = atomic_fetch_add(&next_job, 1);
    if (job >= ROUNDS * request_count) return NULL;
    serve(job);
    atomic_fetch_add(&served, 1);
  }
}

/* ---- wrong calls ---- */

static int refused;

static void expect(int line, int64_t got, int64_t wanted) {
  refused++;
  if (got == wanted) return;
  fprintf(stderr, "service: the wrong call of line %d gives %lld, not %lld\n", line, (long long)got, (long long)wanted);
  atomic_fetch_add(&wrong, 1);
}
#define EXPECT(call, wanted) expect(__LINE__, (call), (wanted))

static void call_the_cnn_wrongly(void) {
  static float pixels[28 * 28 * 2], classes[20];
  EXPECT(cnn_typed(NULL, classes, 2), TENON_BAD_CALL);
  EXPECT(cnn_typed(pixels, NULL, 2), TENON_BAD_CALL);
  EXPECT(cnn_typed((const float*)((const char*)pixels + 2), classes, 1), TENON_BAD_CALL);
  EXPECT(cnn_typed(pixels, (float*)((char*)classes + 1), 1), TENON_BAD_CALL);
  EXPECT(cnn_typed(pixels, pixels, 2), TENON_ALIAS);
  EXPECT(cnn_typed(pixels, pixels + 28 * 28 * 2 - 1, 2), TENON_ALIAS);
  for (int k = 0; k < 2; k++) {
    static const int64_t outside[] = {-1, 65, INT64_MIN, INT64_MAX};
    for (size_t e = 0; e < sizeof outside / sizeof outside[0]; e++) {
      EXPECT(k ? cnn_typed(pixels, classes, outside[e]) : cnn_arena_bytes(&outside[e]), TENON_BAD_EXTENT);
    }
  }
  EXPECT(cnn_arena_bytes(NULL), TENON_BAD_CALL);
}

static void call_the_entry_wrongly(void) {
  static int32_t tokens[8], positions[4];
  static float logits[2 * 4 * 256];
  const int64_t dims[2] = {2, 4}, long_one[2] = {2, 513}, none[2] = {0, 4};
  const void* inputs[2] = {tokens, positions};
  const void* half[2] = {tokens, NULL};
  void* outputs[1] = {logits};
  int64_t bytes = transformer_arena_bytes(dims);
  char* arena = tenon_alloc((uint64_t)bytes + 64);
  const tenon_call right = {sizeof(tenon_call), inputs, outputs, arena, dims, tenon_serial_env(), NULL};
  tenon_env old = *tenon_serial_env();
  tenon_call c = right;
  EXPECT(transformer(&c), TENON_OK);
  EXPECT(transformer(NULL), TENON_BAD_CALL);
#define WITH(field, value, code) c = right, c.field = (value), EXPECT(transformer(&c), code)
  WITH(struct_size, 8, TENON_BAD_CALL);
  WITH(inputs, NULL, TENON_BAD_CALL);
  WITH(inputs, half, TENON_BAD_CALL);
  WITH(outputs, NULL, TENON_BAD_CALL);
  WITH(arena, NULL, TENON_BAD_CALL);
  WITH(arena, arena + 8, TENON_BAD_CALL);
  WITH(dims, NULL, TENON_BAD_CALL);
  WITH(dims, long_one, TENON_BAD_EXTENT);
  WITH(dims, none, TENON_BAD_EXTENT);
  WITH(env, NULL, TENON_BAD_CALL);
  old.struct_size = 16;
  WITH(env, &old, TENON_BAD_CALL);
  EXPECT(transformer_run(NULL, outputs, dims, NULL), TENON_BAD_CALL);
  EXPECT(transformer_run(inputs, NULL, dims, NULL), TENON_BAD_CALL);
  EXPECT(transformer_run(inputs, outputs, NULL, NULL), TENON_BAD_CALL);
  EXPECT(transformer_run(half, outputs, dims, NULL), TENON_BAD_CALL);
  EXPECT(transformer_run(inputs, outputs, long_one, NULL), TENON_BAD_EXTENT);
  tenon_free(arena, (uint64_t)bytes + 64);
}

int main(int argc, char** argv) {
  if (argc != 2) return fprintf(stderr, "usage: service FOLDER\n"), 2;
  if (!load(argv[1], &of_images) || !load(argv[1], &of_tokens)) return 1;
  pthread_t threads[THREADS];
  for (int k = 0; k < THREADS; k++)
    if (pthread_create(&threads[k], NULL, worker, NULL) != 0) return perror("service"), 1;
  call_the_cnn_wrongly(); /* while the others work */
  call_the_entry_wrongly();
  for (int k = 0; k < THREADS; k++) pthread_join(threads[k], NULL);
  printf("%d requests of %d sizes on %d threads, %d wrong calls, %d faults\n", served, request_count, THREADS, refused,
         wrong);
  return wrong == 0 && served == ROUNDS * request_count ? 0 : 1;
}
