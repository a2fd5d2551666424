// The network of examples/convnet.cc: its step learns, eagerly and jitted with the same bits, twice the same; what is saved computes the
// same; its augmentation gives moved and mirrored images and nothing else. The pictures that the example writes come back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "tenon/examples/convnet/net.h"
#include "tenon/examples/data/curve.h"
#include "tenon/examples/data/images.h"
#include "tenon/tests/files.h"
#include "tenon/tests/temporary_folder.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

// Images of ten kinds: a bar whose place tells the class, in noise.
struct Data {
  Tensor images, labels;
};
Data bars(int64_t n) {
  std::vector<uint8_t> pixels(static_cast<size_t>(n * 784)), labels(static_cast<size_t>(n));
  uint32_t noise = 1;
  for (int64_t i = 0; i < n; ++i) {
    labels[static_cast<size_t>(i)] = static_cast<uint8_t>(i * 7 % 10);
    for (int64_t p = 0; p < 784; ++p) {
      noise = noise * 1664525 + 1013904223;
      const bool bar = std::abs(p / 28 - 4 - 2 * labels[static_cast<size_t>(i)]) <= 1;
      pixels[static_cast<size_t>(i * 784 + p)] = static_cast<uint8_t>((bar ? 150 : 0) + (noise >> 26));
    }
  }
  return {tn::copy_from(pixels.data(), {n, 28, 28}, tn::u8), tn::copy_from(labels.data(), {n}, tn::u8)};
}

template <class Step>
std::pair<convnet::State, std::vector<float>> trained(const Step& step, const Data& data, int64_t size, int64_t steps) {
  convnet::State state = convnet::state(convnet::net(tn::key(1)));
  const convnet::Settings settings{.rate = 3e-3, .steps = steps, .warmup = 2};
  std::vector<float> losses;
  for (int64_t epoch = 0; static_cast<int64_t>(losses.size()) < steps; ++epoch)
    for (const auto& [x, y] :
         tn::data::batches(data, {.size = size, .key = tn::fold_in(tn::key(2), epoch), .drop_last = true})) {
      auto [next, loss] = step(state, x, y, tn::key(3), settings);
      state = std::move(next);
      losses.push_back(loss.template item<float>());
      if (static_cast<int64_t>(losses.size()) == steps) break;
    }
  return {std::move(state), losses};
}

std::string bytes_of(const convnet::State& state) {
  std::string out;
  for (const Tensor& t : tn::tree::leaves(state))
    out.append(static_cast<const char*>(t.raw()), static_cast<size_t>(t.numel() * tn::bytes(t.dtype())));
  return out;
}

TEST(Convnet, LearnsAndRepeats) {
  const Data data = bars(640);
  const auto step = tn::jit(convnet::step, {.donate = {0}});
  const auto [state, losses] = trained(step, data, 64, 40);
  EXPECT_GT(losses.front(), 1.5f);
  EXPECT_LT(losses.back(), losses.front() / 3);
  const auto [again, same] = trained(step, data, 64, 40);
  EXPECT_EQ(losses, same);
  EXPECT_EQ(bytes_of(state), bytes_of(again));
  EXPECT_EQ(state.net.first.norm.num_batches_tracked.item<int64_t>(), 40);
  EXPECT_EQ(state.moments.step.item<int64_t>(), 40);

  const auto hits = tn::jit(convnet::hits);
  const int64_t right = hits(state.net, data.images, data.labels).item<int64_t>();
  EXPECT_GT(right, 350);
  const std::string folder = tn::testing::temporary_folder("convnet");
  tn::save(folder + "/net.safetensors", state.net);
  const convnet::Net loaded = tn::load(folder + "/net.safetensors", convnet::net(tn::key(99)));
  EXPECT_EQ(hits(loaded, data.images, data.labels).item<int64_t>(), right);
  std::filesystem::remove_all(folder);
}

TEST(Convnet, EagerlyTheSameBits) {
  const Data data = bars(16);
  const auto [jitted, losses] = trained(tn::jit(convnet::step), data, 8, 2);
  const auto [eager, same] = trained(convnet::step, data, 8, 2);
  EXPECT_EQ(losses, same);
  EXPECT_EQ(bytes_of(jitted), bytes_of(eager));
}

// By trying all eighteen ways.
TEST(Convnet, AugmentationMovesAndMirrors) {
  const int64_t n = 300;
  const Tensor images = bars(n).images;
  const std::vector<uint8_t> before = images.to_vector<uint8_t>(),
                             after = convnet::augmented(images, tn::key(5)).to_vector<uint8_t>();
  std::set<int> ways;
  for (int64_t i = 0; i < n; ++i) {
    int found = -1;
    for (int way = 0; way < 18 && found < 0; ++way) {
      const int64_t down = way / 6 - 1, right = way % 6 / 2 - 1;
      bool same = true;
      for (int64_t p = 0; p < 784 && same; ++p) {
        const int64_t y = p / 28 + down, column = way % 2 ? 27 - p % 28 : p % 28, x = column + right;
        const bool inside = y >= 0 && y < 28 && x >= 0 && x < 28;
        same =
            after[static_cast<size_t>(i * 784 + p)] == (inside ? before[static_cast<size_t>(i * 784 + y * 28 + x)] : 0);
      }
      if (same) found = way;
    }
    ASSERT_GE(found, 0) << i;
    ways.insert(found);
  }
  EXPECT_EQ(ways.size(), 18u);
}

TEST(Pictures, ComeBack) {
  using namespace tenon::examples;
  const std::string folder = tn::testing::temporary_folder("pictures");
  const Tensor grey = bars(7).images, page = sheet(grey, 3);
  EXPECT_EQ(page.shape(), tn::Shape({3 * 29 + 1, 3 * 29 + 1, 1}));
  EXPECT_TRUE(tn::all_of(page[{tn::slice(30, 58), tn::slice(1, 29), 0}] == grey[3]).item<bool>());
  const Tensor colours = (tn::arange(0, 5 * 7 * 3).reshape({5, 7, 3}) * 11 % 256).astype(tn::u8);
  const auto back = [&](const std::string& name, const Tensor& image) {
    write_image(folder + name, image);
    const Tensor read = read_image(folder + name);
    EXPECT_EQ(read.shape(), image.shape()) << name;
    EXPECT_EQ(read.to_vector<int>(), image.to_vector<int>()) << name;
  };
  back("/a.pgm", page);
  back("/a.ppm", colours);
  EXPECT_THROW(write_image(folder + "/a.ppm", page.astype(tn::f32)), tn::Error);
  EXPECT_THROW(write_image(folder + "/a.pgm", colours), tn::Error);
  for (const std::string& text :
       {std::string("P5 9 9 255\nab"), std::string("P6 99999999 99999999 255\n"), std::string("P5 x"),
        std::string("P5"), std::string("GIF89a"), std::string(), std::string("\x89PNG\r\n\x1a\nx")}) {
    tn::testing::write_file(folder + "/bad", text);
    EXPECT_THROW(read_image(folder + "/bad"), tn::Error) << text;
  }
  try {
    write_image(folder + "/a.png", page);
  } catch (const tn::Error& e) {
    std::filesystem::remove_all(folder);
    GTEST_SKIP() << e.what();
  }
  back("/a.png", page);
  back("/b.png", colours);
  back("/c.png", (tn::arange(0, 4 * 3 * 4).reshape({4, 3, 4}) * 5).astype(tn::u8));
  std::filesystem::remove_all(folder);
}

TEST(Curves, AreOneFileWithEveryPoint) {
  using namespace tenon::examples;
  const Plot plot{.title = "a < b & c",
                  .x_label = "step",
                  .left_label = "loss",
                  .right_label = "accuracy",
                  .curves = {{"loss", {{0, 2}, {1, 1}, {2, 0.5}}}, {"accuracy", {{1, 50}, {2, 90}}, true}}};
  const std::string text = svg(plot);
  EXPECT_TRUE(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
  EXPECT_NE(text.find("a &lt; b &amp; c"), std::string::npos);
  EXPECT_NE(text.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_EQ(text.find("http", text.find("w3.org")), std::string::npos);  // nothing is fetched
  EXPECT_EQ(std::count(text.begin(), text.end(), 'L'), 3);  // lines of three points and of two
  EXPECT_EQ(text.find("nan"), std::string::npos);
  Plot bad = plot;
  bad.curves[0].points[1].second = NAN;
  EXPECT_THROW(svg(bad), tn::Error);
  EXPECT_EQ(smoothed({{0, 1}, {1, 3}, {2, 5}, {3, 7}}, 2).size(), 3u);
}

}  // namespace
