// Ships the demo's training step: saves it as an object and a header, builds examples/train_on.c against it with the system's
// C compiler, lets it train on, and compares its losses with the jitted step's.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "tenon/examples/data/mlp.h"

namespace tenon::examples {

// Runs a program and waits; its output goes to ours. Error when it fails. No shell is involved.
void run_program(const std::vector<std::string>& arguments);
std::string output_of(const std::vector<std::string>& arguments);
void write_file(const std::string& path, const std::string& bytes);
std::string read_file(const std::string& path);
// Compiles train_on.c with the object in the folder; returns the program's path.
std::string build_train_on(const std::string& folder);

template <class StepFunction>
void ship(const StepFunction& step, mlp::Params params, mlp::State state,
          const std::vector<std::pair<Tensor, Tensor>>& batches) {
  const std::string folder = std::string(TENON_BINARY_DIR) + "/shipped";
  aot::save(step, {.name = "train_step", .out = folder, .archive = true}, params, state, batches[0].first,
            batches[0].second);
  const std::string program = build_train_on(folder);
  std::string bytes, rows;
  const auto append = [](std::string& out, const Tensor& t) {
    out.append(static_cast<const char*>(t.raw()),
               static_cast<size_t>(t.numel()) * static_cast<size_t>(tenon::bytes(t.dtype())));
  };
  for (const Tensor& t : tree::leaves(params)) append(bytes, t);
  for (const Tensor& t : tree::leaves(state)) append(bytes, t);
  for (const auto& [images, labels] : batches) append(rows, images), append(rows, labels);
  write_file(folder + "/state.bin", bytes);
  write_file(folder + "/batches.bin", rows);
  run_program({program, folder + "/state.bin", folder + "/batches.bin", folder + "/losses.bin",
               std::to_string(batches.size())});
  const std::string shipped = read_file(folder + "/losses.bin");
  size_t same = 0;
  float first = 0, last = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    mlp::Step next = step(params, state, batches[i].first, batches[i].second);
    params = std::move(next.params);
    state = std::move(next.state);
    const float jitted = next.loss.template item<float>();
    (i == 0 ? first : last) = jitted;
    same += shipped.size() >= 4 * (i + 1) && std::memcmp(shipped.data() + 4 * i, &jitted, 4) == 0;
  }
  std::printf("shipped: train_step.o, train_step.h and train_step.a in %s\n", folder.c_str());
  std::printf("the C program trained %zu steps on; %zu of %zu losses equal the JIT's to the bit (%.6f ... %.6f)\n",
              batches.size(), same, batches.size(), static_cast<double>(first), static_cast<double>(last));
  std::printf("it needs:\n%s", output_of({"/usr/bin/readelf", "-d", program}).c_str());
  if (same != batches.size()) throw Error("the shipped step and the jitted step differ");
}

}  // namespace tenon::examples
