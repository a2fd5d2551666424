// Voice activity with Silero's model, read from ONNX: a synthesised recording is streamed through it chunk by chunk, with the state that
// goes round, by a jitted function; the same function is saved as an object that a C program streams with (examples/vad/stream.c).
// usage: vad MODEL.onnx FOLDER; ./dev vad fetches the model, runs this, the C program and ONNX Runtime, and compares.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <numbers>
#include <string>
#include <vector>

#include "tenon/frontend/tenon.h"

namespace {

namespace tn = tenon;
using tn::Tensor;

constexpr int64_t rate = 16000, chunk = 512, context = 64;

// Random numbers of the example's own, the same everywhere.
struct Noise {
  uint64_t state = 42;
  double next() {  // -1 to 1: the high bits of Knuth's MMIX generator
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(static_cast<int64_t>(state)) / 9.3e18;
  }
};

// A pulse train through three resonances whose frequencies glide, as vowels do.
struct Voice {
  double phase = 0, y1[3] = {}, y2[3] = {};
  double next(double t, Noise& noise) {
    const double pitch = 120 + 25 * std::sin(2 * std::numbers::pi * 0.7 * t) + 2 * noise.next();
    phase += pitch / rate;
    double source = 0.02 * noise.next();
    if (phase >= 1) phase -= 1, source += 1;
    const double glide = 0.5 + 0.5 * std::sin(2 * std::numbers::pi * 2.3 * t);
    const double formants[3] = {350 + 450 * glide, 2100 - 900 * glide, 2700 + 150 * glide}, widths[3] = {70, 110, 160};
    double sum = 0;
    for (int k = 0; k < 3; ++k) {
      const double r = std::exp(-std::numbers::pi * widths[k] / rate),
                   angle = 2 * std::numbers::pi * formants[k] / rate;
      const double y = source * (1 - r) + 2 * r * std::cos(angle) * y1[k] - r * r * y2[k];
      y2[k] = y1[k], y1[k] = y;
      sum += y / (k + 1);
    }
    return sum;
  }
};

// Twelve seconds: words of voice with gaps in between, then noise alone, a tone, and words again.
std::vector<int16_t> recording() {
  std::vector<int16_t> samples;
  Noise noise;
  Voice voice;
  for (int64_t i = 0; i < 12 * rate; ++i) {
    const double t = static_cast<double>(i) / rate;
    const bool speaks = (t >= 1 && t < 4) || (t >= 8 && t < 11);
    const double syllable = std::max(0.0, std::sin(2 * std::numbers::pi * 1.9 * t) + 0.4);
    double x = 0.004 * noise.next();
    const double v = voice.next(t, noise);
    if (speaks) x += 2.5 * syllable * v;
    if (t >= 5 && t < 6) x += 0.15 * noise.next();
    if (t >= 6.5 && t < 7.5) x += 0.2 * std::sin(2 * std::numbers::pi * 440 * t);
    samples.push_back(static_cast<int16_t>(std::clamp(x, -1.0, 1.0) * 32767));
  }
  return samples;
}

void write_wav(const std::string& path, const std::vector<int16_t>& samples) {
  std::ofstream out(path, std::ios::binary);
  const auto number = [&](uint32_t v, std::streamsize bytes) { out.write(reinterpret_cast<const char*>(&v), bytes); };
  const auto size = static_cast<uint32_t>(2 * samples.size());
  out << "RIFF", number(36 + size, 4), out << "WAVEfmt ";
  number(16, 4), number(1, 2), number(1, 2), number(rate, 4), number(2 * rate, 4), number(2, 2), number(16, 2);
  out << "data", number(size, 4);
  out.write(reinterpret_cast<const char*>(samples.data()), size);
  if (!out) throw tn::Error("cannot write " + path);
}

struct Heard {
  Tensor probability, state;
};

void run(const std::string& path, const std::string& folder) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); };
  const std::vector<int16_t> samples = recording();
  write_wav(folder + "/vad.wav", samples);

  auto start = Clock::now();
  const tn::Traced model = tn::onnx::load(path);
  std::printf("read %s in %.0f ms\n", path.c_str(), 1e3 * since(start));
  // The rate is captured, so the branch for the other one is never imported.
  const Tensor sr = tn::tensor(rate);
  const auto step = tn::jit([&](const Tensor& x, const Tensor& state) {
    const std::vector<Tensor> r = model({x, state, sr});
    return Heard{r[0], r[1]};
  });
  const Tensor none = tn::zeros({2, 1, 128});
  start = Clock::now();
  step(tn::zeros({1, context + chunk}), none);
  std::printf("imported and compiled in %.0f ms\n", 1e3 * since(start));

  std::vector<float> heard(context, 0), probabilities;
  Tensor state = none;
  start = Clock::now();
  for (size_t at = 0; at + chunk <= samples.size(); at += chunk) {
    heard.erase(heard.begin(), heard.end() - context);
    for (size_t i = 0; i < chunk; ++i) heard.push_back(static_cast<float>(samples[at + i]) / 32768);
    const auto [p, next] = step(tn::copy_from(heard.data(), {1, context + chunk}, tn::f32), state);
    probabilities.push_back(p.item());
    state = next;
  }
  const double seconds = since(start);
  std::printf("%zu chunks of 32 ms, %.0f us each: %.0f times as fast as they are heard\n", probabilities.size(),
              1e6 * seconds / static_cast<double>(probabilities.size()),
              static_cast<double>(samples.size()) / rate / seconds);
  std::ofstream out(folder + "/vad.tenon.txt");
  out.precision(9);
  for (float p : probabilities) out << p << "\n";
  std::string line;
  for (float p : probabilities) line += p > 0.5f ? '#' : p > 0.1f ? '-' : '.';
  for (size_t i = 0; i < line.size(); i += 94)
    std::printf("%5.1f s  %s\n", static_cast<double>(i) * 0.032, line.substr(i, 94).c_str());

  tn::aot::save(step, {.name = "silero_vad", .out = folder, .native = true, .arguments = {"heard", "state"}},
                tn::spec({1, context + chunk}, tn::f32), tn::spec({2, 1, 128}, tn::f32));
  std::printf("saved %s/silero_vad.o\n", folder.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: vad MODEL.onnx FOLDER; ./dev vad fetches the model\n"), 2;
  try {
    run(argv[1], argv[2]);
  } catch (const tn::Error& e) {
    return std::fprintf(stderr, "vad: %s\n", e.what()), 1;
  }
  return 0;
}
