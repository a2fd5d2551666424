// Checkpoints of ranks: written by any number and read by any other, whole or not there at all, whoever dies and whatever is damaged;
// and training that is broken off and taken up again.
#include <gtest/gtest.h>
#include <signal.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <random>

#include "tenon/examples/data/distributed.h"
#include "tenon/tests/child.h"
#include "tenon/tests/files.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;
using dist::World;
using testing::message_of;
using testing::read_file;
using testing::write_file;

struct Folder {
  const std::string path = testing::temporary_folder("checkpoint");
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

struct Net {
  std::vector<Tensor> layers;
  Tensor gain, mask, none;
  std::map<std::string, Tensor> extra;
};
Net net(float value) {
  const Tensor large = arange(0, 30000).astype(f32).reshape({300, 100}) + value;  // is cut
  return {{large, full({2, 3}, value), large.astype(f64) * 2},
          full({}, value),
          full({3}, value) > 1,
          Tensor(),
          {{"half", full({5}, value).astype(bf16)}, {"nothing", zeros({0, 4})}}};
}
void expect_same(const Net& a, const Net& b) {
  const auto x = tree::leaves(a), y = tree::leaves(b);
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i].dtype(), y[i].dtype());
    EXPECT_EQ(x[i].shape(), y[i].shape());
    EXPECT_EQ(x[i].to_vector<double>(), y[i].to_vector<double>()) << i;
  }
}

void save(const Folder& folder, int ranks, float value, dist::CheckpointOptions options) {
  dist::simulate(ranks, [&](World w) { dist::save_checkpoint(folder.path, net(value), w, options); });
}
// The step that a world of so many ranks restores, whose value every rank has; -1: none.
int64_t restored(const Folder& folder, int ranks, std::string* said = nullptr) {
  std::atomic<int64_t> step{-2};
  ::testing::internal::CaptureStderr();
  dist::simulate(ranks, [&](World w) {
    Net n = net(-5);
    const std::optional<int64_t> found = dist::restore_checkpoint(folder.path, n, w);
    expect_same(n, net(found ? static_cast<float>(*found) : -5.f));
    const int64_t before = step.exchange(found.value_or(-1));
    EXPECT_TRUE(before == -2 || before == step);
  });
  const std::string text = ::testing::internal::GetCapturedStderr();
  if (said != nullptr)
    *said = text;
  else
    EXPECT_EQ(text, "");
  return step;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& each : fs::directory_iterator(folder)) names.push_back(each.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Checkpoint, IsReadByAnyNumberOfRanks) {
  for (const int writers : {1, 2, 3, 8}) {
    const Folder folder;
    EXPECT_EQ(restored(folder, 2), -1);
    save(folder, writers, 3, {.step = 3});
    for (const int readers : {1, 2, 5}) EXPECT_EQ(restored(folder, readers), 3);
    std::vector<std::string> expected{"index.json"};
    uint64_t least = UINT64_MAX, most = 0;
    for (int k = 0; k < writers; ++k) {
      expected.push_back("rank-" + std::to_string(k) + "-of-" + std::to_string(writers) + ".safetensors");
      least = std::min<uint64_t>(least, fs::file_size(folder / ("step-3/" + expected.back())));
      most = std::max<uint64_t>(most, fs::file_size(folder / ("step-3/" + expected.back())));
    }
    EXPECT_EQ(names_in(folder / "step-3"), expected);
    EXPECT_LT(most - least, 3000u);
  }
}

TEST(Checkpoint, TheNewestIsTakenAndOldOnesGo) {
  const Folder folder;
  for (int step : {0, 9, 10, 11}) save(folder, 2, static_cast<float>(step), {.step = step, .keep = 3});
  EXPECT_EQ(names_in(folder.path), (std::vector<std::string>{"step-10", "step-11", "step-9"}));
  EXPECT_EQ(restored(folder, 3), 11);
  // The same step once more: the old one is there until the new one is.
  save(folder, 4, 11, {.step = 11});
  EXPECT_EQ(names_in(folder.path), (std::vector<std::string>{"step-10", "step-11.2", "step-9"}));
  EXPECT_EQ(restored(folder, 1), 11);
  save(folder, 4, 10, {.step = 10, .keep = 1});  // an earlier run's newer one stays
  EXPECT_EQ(names_in(folder.path), (std::vector<std::string>{"step-10.2", "step-11.2"}));
}

TEST(Checkpoint, DamagedOnesAreSkippedWithAWarning) {
  const auto damaged = [](const auto& damage, const char* why) {
    const Folder folder;
    save(folder, 2, 1, {.step = 1});
    save(folder, 2, 2, {.step = 2});
    damage(folder / "step-2/");
    std::string said;
    EXPECT_EQ(restored(folder, 3, &said), 1);
    EXPECT_HAS(said, "step-2' is skipped: ");
    EXPECT_HAS(said, why);
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  };
  const std::string first = "rank-0-of-2.safetensors", second = "rank-1-of-2.safetensors", index = "index.json";
  const auto change = [](const std::string& path, const auto& edit) {
    std::string text = read_file(path);
    edit(text);
    write_file(path, text);
  };
  damaged([&](const std::string& f) { fs::remove(f + index); }, "never came to an end");
  damaged([&](const std::string& f) { fs::remove(f + second); }, "No such file");
  damaged([&](const std::string& f) { change(f + index, [](auto& t) { t.resize(t.size() / 2); }); },
          "damaged or cut off");
  damaged([&](const std::string& f) { change(f + index, [](auto& t) { t.clear(); }); }, "damaged or cut off");
  damaged([&](const std::string& f) { change(f + index, [](auto& t) { t[t.find("step\":2") + 6] = '3'; }); },
          "damaged or cut off");
  damaged([&](const std::string& f) { change(f + second, [](auto& t) { t.resize(t.size() - 1); }); }, "lies beyond");
  damaged([&](const std::string& f) { change(f + first, [](auto& t) { t.back() ^= 1; }); }, "its digest is not");
  damaged([&](const std::string& f) { change(f + first, [](auto& t) { t[t.size() / 2] ^= 64; }); },
          "its digest is not");
  damaged(
      [&](const std::string& f) {
        fs::copy_file(f + "../step-1/" + first, f + first, fs::copy_options::overwrite_existing);
      },
      "its digest is not");
  std::mt19937 random(5);
  for (int round = 0; round < 40; ++round) {
    const Folder folder;
    save(folder, 2, 1, {.step = 1});
    save(folder, 2, 2, {.step = 2});
    const std::string file = folder / ("step-2/" + (round % 3 == 0 ? index : round % 3 == 1 ? first : second));
    change(file, [&](std::string& t) {
      if (random() % 4 == 0)
        t.resize(random() % t.size());
      else
        t[random() % t.size()] ^= static_cast<char>(1 << random() % 8);
    });
    std::string said;
    EXPECT_EQ(restored(folder, 1, &said), 1) << said;
  }
}

TEST(Checkpoint, WhatFailsOnOneRankFailsOnAll) {
  const Folder folder;
  save(folder, 4, 1, {.step = 1});
  fs::create_directories(folder / "step-2/rank-2-of-4.safetensors/in the way");
  std::atomic<int> failed{0};
  dist::simulate(4, [&](World w) {
    const std::string said = message_of([&] { dist::save_checkpoint(folder.path, net(2), w, {.step = 2}); });
    EXPECT_HAS(said, "dist::save_checkpoint: rank 2: safetensors file");
    EXPECT_HAS(said, "not a regular file");
    EXPECT_HAS(said, "checkpoint_test.cc");
    ++failed;
  });
  EXPECT_EQ(failed, 4);
  std::string said;
  EXPECT_EQ(restored(folder, 2, &said), 1);
  EXPECT_HAS(said, "never came to an end");
  dist::simulate(2, [&](World w) {
    const Net mine = w.rank() == 0 ? net(1) : Net{};
    EXPECT_HAS(message_of([&] { dist::save_checkpoint(folder.path, mine, w, {.step = 3}); }),
               "rank 1 and rank 0 have other leaves");
    EXPECT_HAS(message_of([&] { dist::save_checkpoint(folder.path, mine, w, {.step = -3}); }), "0 or more");
    EXPECT_HAS(message_of([&] { dist::save_checkpoint("/dev/null/x", net(1), w, {.step = 3}); }), "rank 0");
  });
}

TEST(Checkpoint, ATreeThatDoesNotFitIsAnError) {
  const Folder folder;
  save(folder, 2, 1, {.step = 1});
  dist::simulate(3, [&](World w) {
    const auto said = [&](const auto& change) {
      Net n = net(7);
      change(n);
      const auto before = tree::leaves(n);
      const std::string text = message_of([&] { dist::restore_checkpoint(folder.path, n, w); });
      const auto after = tree::leaves(n);
      for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].cell(), after[i].cell());
      return text;
    };
    EXPECT_HAS(said([](Net& n) { n.gain = zeros({1}); }), "at 'gain', the tree has f32[1] and the checkpoint");
    EXPECT_HAS(said([](Net& n) { n.none = zeros({1}); }), "nothing for the tree's leaf at 'none'");
    EXPECT_HAS(said([](Net& n) { n.layers.pop_back(); }), "no leaf for 'layers[2]'");
    EXPECT_HAS(said([](Net& n) {
                 if (n.gain.defined()) n.mask = n.mask.astype(u8);
               }),
               "at 'mask'");
  });
}

// A process that saves without end and is killed anywhere leaves whole checkpoints alone.
TEST(Checkpoint, IsWholeOrNotThereWhenItsWriterIsKilled) {
  SKIP_UNDER_TSAN;
  std::mt19937 random(3);
  int found = 0;
  for (int round = 0; round < 12; ++round) {
    const Folder folder;
    const useconds_t life = 20000 + random() % 150000;
    EXPECT_EQ(testing::in_child([&] {
                alarm(30);
                dist::simulate(3, [&](World w) {
                  if (w.rank() == 1)
                    std::thread([life] {
                      usleep(life);
                      kill(getpid(), SIGKILL);
                    }).detach();
                  for (int step = 0;; ++step)
                    dist::save_checkpoint(folder.path, net(static_cast<float>(step)), w, {.step = step, .keep = 2});
                });
                return 0;
              }),
              1000 + SIGKILL);
    std::string said;
    const int64_t step = restored(folder, 2, &said);
    EXPECT_EQ(said.find("damaged"), std::string::npos) << said;
    if (step >= 0) ++found;
  }
  EXPECT_GT(found, 3);
}

// ---- training

examples::Images made_up() {
  examples::Images images;
  std::mt19937 random(1);
  for (int i = 0; i < 320; ++i) {
    const unsigned label = random() % 10;
    images.labels.push_back(static_cast<uint8_t>(label));
    for (unsigned p = 0; p < 784; ++p)
      images.pixels.push_back(static_cast<uint8_t>(p / 79 == label ? 160 + random() % 90 : random() % 90));
  }
  return images;
}

examples::Trained trained(int ranks, const examples::DistributedOptions& options) {
  static const examples::Images images = made_up();
  examples::Trained result;
  std::mutex lock;
  dist::simulate(ranks, [&](World w) {
    examples::Trained own = examples::train(w, images, options);
    const std::lock_guard hold(lock);
    if (w.rank() == 0) result = std::move(own);
  });
  return result;
}

TEST(DistributedTraining, HasTheSameBitsForEveryNumberOfRanks) {
  const examples::DistributedOptions options{.steps = 7, .batch = 64};
  const examples::Trained one = trained(1, options);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for (const int ranks : {2, 4, 8}) {
    const examples::Trained many = trained(ranks, options);
    EXPECT_EQ(many.losses, one.losses) << ranks;
    EXPECT_EQ(many.digest, one.digest) << ranks;
  }
}

TEST(DistributedTraining, AStateInPartsHasTheBitsOfTheWhole) {
  examples::DistributedOptions options{.steps = 5, .batch = 64};
  const examples::Trained whole = trained(2, options);
  options.sharded_state = true;
  for (const int ranks : {1, 2, 4, 8}) {
    const examples::Trained parts = trained(ranks, options);
    EXPECT_EQ(parts.losses, whole.losses) << ranks;
    EXPECT_EQ(parts.digest, whole.digest) << ranks;
    std::printf("%d ranks: %lld bytes of state on each, %.4f of %lld\n", ranks,
                static_cast<long long>(parts.largest_state_bytes),
                static_cast<double>(parts.largest_state_bytes) / static_cast<double>(whole.state_bytes),
                static_cast<long long>(whole.state_bytes));
    // Two moments of six leaves, each padded to the ranks, and the number of steps.
    EXPECT_LE(parts.largest_state_bytes, (whole.state_bytes - 8) / ranks + 8 + 2 * 6 * 4);
  }
}

TEST(DistributedTraining, GoesOnFromACheckpointWithOtherRanks) {
  SKIP_UNDER_TSAN;
  for (const bool in_parts : {false, true}) {
    examples::DistributedOptions options{.steps = 8, .batch = 64, .sharded_state = in_parts};
    const examples::Trained undisturbed = trained(1, options);
    const Folder folder;
    options.checkpoint = folder.path, options.every = 3;
    options.die_at = 7;
    EXPECT_EQ(testing::in_child([&] { return trained(4, options), 0; }), 1000 + SIGKILL);
    EXPECT_EQ(names_in(folder.path), (std::vector<std::string>{"step-3", "step-6"}));
    options.die_at = -1, options.restore = true;
    const examples::Trained resumed = trained(2, options);
    EXPECT_EQ(resumed.began_at, 6);
    EXPECT_EQ(resumed.losses, undisturbed.losses);
    EXPECT_EQ(resumed.digest, undisturbed.digest);
    fs::remove(folder / "step-6/index.json");  // and from the one before
    EXPECT_EQ(trained(8, options).digest, undisturbed.digest);
  }
}

}  // namespace
}  // namespace tenon
