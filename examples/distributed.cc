// Trains 784-512-512-10 on Fashion-MNIST by all ranks of a world, 8 shards of each batch of 128; prints losses, and a digest of all
// losses and the final parameters, which is the same for 1, 2, 4 and 8 ranks, of mpirun or simulated:
//   distributed                              one process
//   distributed --simulate 4                 four ranks in one process
//   mpirun -n 4 distributed                  four processes
// options: --steps N, --checkpoint FOLDER [--every K] [--restore], --sharded (each rank keeps its part of the optimizer's state), --explain
// (what the ranks do together in a step), --die-at STEP (rank 1 kills itself there); and last the folder of the four gzipped IDX files
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tenon/examples/data/distributed.h"

namespace tn = tenon;
using tenon::examples::DistributedOptions;
using tenon::examples::Images;
using tenon::examples::Trained;

namespace {

struct Options {
  DistributedOptions training;
  int simulate = 0;
  std::string data = "/usr/share/datasets/fashion-mnist";
};

bool parse(int argc, char** argv, Options& o) {
  o.training.talk = true;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--restore") {
      o.training.restore = true;
    } else if (word == "--sharded") {
      o.training.sharded_state = true;
    } else if (word == "--explain") {
      o.training.explain = true;
    } else if (!word.starts_with("--")) {
      o.data = word;
    } else if (i + 1 == argc) {
      return false;
    } else {
      const char* value = argv[++i];
      if (word == "--simulate")
        o.simulate = std::atoi(value);
      else if (word == "--steps")
        o.training.steps = std::atoll(value);
      else if (word == "--every")
        o.training.every = std::atoll(value);
      else if (word == "--die-at")
        o.training.die_at = std::atoll(value);
      else if (word == "--checkpoint")
        o.training.checkpoint = value;
      else
        return false;
    }
  }
  return o.training.steps > 0 && o.training.every > 0 && o.simulate >= 0;
}

Images load(const std::string& folder) {
  const auto images = tn::data::load_idx(folder + "/train-images-idx3-ubyte.gz");
  const auto labels = tn::data::load_idx(folder + "/train-labels-idx1-ubyte.gz");
  if (images.dtype() != tn::u8 || images.ndim() != 3 || images.size(1) != 28 || images.size(2) != 28 ||
      labels.dtype() != tn::u8 || labels.numel() != images.size(0))
    throw tn::Error("the data set in '" + folder + "' does not hold 28x28 images with one label each");
  return {images.to_vector<uint8_t>(), labels.to_vector<uint8_t>()};
}

void run(const tn::dist::World& world, const Images& images, const Options& o) {
  if (world.rank() == 0)
    std::printf("%d rank%s, batch %lld in %d shards, %lld steps%s\n", world.size(), world.size() == 1 ? "" : "s",
                static_cast<long long>(o.training.batch), o.training.shards, static_cast<long long>(o.training.steps),
                o.training.sharded_state ? ", the optimizer's state in parts" : "");
  const Trained t = tenon::examples::train(world, images, o.training);
  if (world.rank() == 0)
    std::printf("the optimizer's state takes %.2f MB of a rank\nloss %.9g, digest %016llx\n",
                static_cast<double>(t.largest_state_bytes) / 1e6, static_cast<double>(t.losses.back()),
                static_cast<unsigned long long>(t.digest));
}

}  // namespace

int main(int argc, char** argv) try {
  Options o;
  if (!parse(argc, argv, o))
    return std::fprintf(stderr,
                        "usage: distributed [--simulate N] [--steps N] [--checkpoint FOLDER [--every K] [--restore]] "
                        "[--sharded] [--explain] "
                        "[--die-at STEP] [FOLDER]\n"),
           2;
  const Images images = load(o.data);
  if (o.simulate > 0)
    tn::dist::simulate(o.simulate, [&](tn::dist::World world) { run(world, images, o); });
  else
    run(tn::dist::init(), images, o);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "distributed: %s\n", e.what());
  return 1;
}
