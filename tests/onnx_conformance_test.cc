// ONNX's own backend tests: the 1,072 models of Debian's libonnx-testdata, each imported, interpreted and, every few or all of them under
// TENON_TEST_ALL, jitted, and held against the answers beside it. Prints how many passed, were wrong and were refused, and of those the
// reasons by how many models each keeps out. Without that package it is skipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <thread>

#include "tenon/frontend/tenon.h"
#include "tenon/tests/onnx_case.h"
#include "tenon/tests/thorough.h"

namespace tenon::testing {
namespace {

constexpr double share_reached = 0.9, share_free = 0.8;  // of the models whose ops are known; with free extents

struct Outcome {
  enum class Kind : uint8_t { passed, wrong, unknown, refused, drawn } kind = Kind::passed;  // unknown: an op of it is
  std::string why;
};

std::string compared(const std::vector<Tensor>& expected, const std::vector<Tensor>& actual, bool values) {
  if (actual.size() < expected.size()) return "there are " + std::to_string(actual.size()) + " results";
  for (size_t i = 0; i < expected.size(); ++i) {
    if (const std::string apart = onnx_distance(expected[i], actual[i], values ? 1e-3 : 0, values ? 1e-5 : INFINITY);
        !apart.empty())
      return "result " + std::to_string(i) + ": " + apart;
  }
  return "";
}

Outcome outcome_of(const std::string& path, bool jitted) {
  using Kind = Outcome::Kind;
  try {
    const Traced program = onnx::load(path);
    std::vector<OnnxData> sets = read_onnx_data(std::filesystem::path(path).parent_path());
    const bool drawn = draws(path);
    for (OnnxData& data : sets) {
      const auto& p = program.program();
      for (size_t i = 0; p->graph && i < data.inputs.size(); ++i)
        data.inputs[i] = with_dtype(data.inputs[i], p->graph->type(ir::ValueId{static_cast<uint32_t>(i)}).dtype);
      const auto made = p->for_inputs ? p->for_inputs(data.inputs) : p;
      if (std::string apart = compared(data.expected, interpreted(*made, data.inputs), !drawn); !apart.empty())
        return {Kind::wrong, "interpreted, " + apart};
      if (!jitted) continue;
      const Traced one(made);
      const auto step = jit([&one](const std::vector<Tensor>& x) { return one(x); });
      if (std::string apart = compared(data.expected, step(data.inputs), !drawn); !apart.empty())
        return {Kind::wrong, "jitted, " + apart};
    }
    // One program for all sets, whose extents are free; those that the model declares as numbers are settled.
    if (std::getenv("TENON_ONNX_FREE") != nullptr && program.program()->arguments > 0) {
      const auto step = jit([&program](const std::vector<Tensor>& x) { return program(x); }, {.dynamic = true});
      for (const OnnxData& data : sets)
        if (std::string apart = compared(data.expected, step(data.inputs), !drawn); !apart.empty())
          return {Kind::wrong, "with free extents, " + apart};
    }
    return {drawn ? Kind::drawn : Kind::passed, ""};
  } catch (const onnx::Unsupported& e) {
    return {Kind::unknown, "op " + e.op() + " of " + e.domain()};
  } catch (const Error& e) {
    return {Kind::refused, e.message()};
  } catch (const std::exception& e) {
    return {Kind::wrong, e.what()};
  }
}

// The message without the model's path and the node's name.
std::string reason(const Outcome& o) {
  std::string text = o.why;
  if (const size_t at = text.find(".onnx: "); at != text.npos) text = text.substr(at + 7);
  return text;
}

TEST(OnnxConformance, ModelsGiveTheirAnswers) {
  const char* elsewhere = std::getenv("TENON_ONNX_DATA");
  const bool own = elsewhere == nullptr;
  const std::string data_folder = elsewhere != nullptr ? elsewhere : "/usr/share/libonnx-testdata/data";
  if (!std::filesystem::exists(data_folder))
    GTEST_SKIP() << data_folder << " is not there: apt-get install libonnx-testdata";
  const char* only = std::getenv("TENON_ONNX_ONLY");
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_folder))
    if (entry.path().filename() == "model.onnx" &&
        (only == nullptr || entry.path().string().find(only) != std::string::npos))
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());

  std::vector<Outcome> outcomes(paths.size());
  std::atomic<size_t> next = 0;
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    workers.emplace_back([&] {
      for (size_t at = next++; at < paths.size(); at = next++)
        outcomes[at] = outcome_of(paths[at], at % 8 == 0 || only != nullptr || thorough());
    });
  for (std::thread& w : workers) w.join();

  std::map<Outcome::Kind, size_t> counts;
  std::map<std::string, std::vector<std::string>> reasons;
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string name = std::filesystem::path(paths[i]).parent_path().filename();
    ++counts[outcomes[i].kind];
    if (outcomes[i].kind == Outcome::Kind::wrong) ADD_FAILURE() << name << ": " << outcomes[i].why;
    if (outcomes[i].kind == Outcome::Kind::unknown || outcomes[i].kind == Outcome::Kind::refused)
      reasons[reason(outcomes[i])].push_back(name);
  }
  using Kind = Outcome::Kind;
  std::cout << "onnx: " << paths.size() << " models, " << counts[Kind::passed] << " passed, " << counts[Kind::drawn]
            << " drew random numbers of the right shapes, " << counts[Kind::wrong] << " wrong, "
            << counts[Kind::refused] << " refused, " << counts[Kind::unknown] << " have ops that are not known\n";
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const auto& [text, names] : reasons) ranked.emplace_back(names.size(), text + " [" + names[0] + "]");
  std::sort(ranked.rbegin(), ranked.rend());
  for (const auto& [count, text] : ranked) std::cout << "  " << count << "  " << text << "\n";
  if (only != nullptr || !own) return;
  const bool free = std::getenv("TENON_ONNX_FREE") != nullptr;
  const size_t known = paths.size() - counts[Kind::unknown];
  EXPECT_GE(static_cast<double>(counts[Kind::passed]),
            (free ? share_free : share_reached) * static_cast<double>(known - counts[Kind::drawn]));
}

}  // namespace
}  // namespace tenon::testing
