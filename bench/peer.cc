// Asks peers and believes no answer before it is read whole.
#include "tenon/bench/peer.h"

#include <tenon/tenon.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "tenon/bench/peer_answer.h"

namespace tenon::bench {
namespace {

constexpr int patience = 300;  // seconds: a peer compiles within them

// Threads by every name that a library listens to, and what Debian's builds and users set for OpenBLAS taken away: it would choose the
// kernels of another processor.
PeerProcess::Environment environment(int threads) {
  const std::string count = std::to_string(threads);
  const char* target = std::getenv("TENON_TARGET");
  const bool lesser = target != nullptr && std::string(target) == "x86-64-v3";  // the peers restricted the same way
  std::string xla = threads == 1 ? "--xla_cpu_multi_thread_eigen=false" : "";
  if (lesser) xla += " --xla_cpu_max_isa=AVX2";
  return {{"OMP_NUM_THREADS", count},
          {"OPENBLAS_NUM_THREADS", count},
          {"MKL_NUM_THREADS", count},
          {"NUMEXPR_NUM_THREADS", count},
          {"OPENBLAS_CORETYPE", lesser ? "Haswell" : ""},
          {"NPY_DISABLE_CPU_FEATURES", lesser ? "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL" : ""},
          {"ATEN_CPU_CAPABILITY", lesser ? "avx2" : ""},
          {"DNNL_MAX_CPU_ISA", lesser ? "AVX2" : ""},
          {"OPENBLAS_L2_SIZE", ""},
          {"XLA_FLAGS", xla},
          {"JAX_PLATFORMS", "cpu"},
          {"PYTHONDONTWRITEBYTECODE", "1"}};
}

std::string joined(const std::vector<std::string>& names, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) text += (i == begin ? "" : ";") + names[i];
  return text;
}

}  // namespace

const char* name_of(PeerKind kind) {
  switch (kind) {
    case PeerKind::numpy: return "NumPy";
    case PeerKind::torch: return "PyTorch";
    case PeerKind::jax: return "JAX";
  }
  return "";
}

RowFiles::RowFiles(const std::string& folder, const PeerRow& row, const Work& work) {
  const auto keep = [&](const Tensor& t) {
    names_.push_back(folder + "/" + std::to_string(names_.size()) + ".npy");
    save_npy(names_.back(), t);
  };
  for (const Tensor& t : work.inputs) keep(t);
  const size_t inputs = names_.size();
  if (work.result)
    for (const Tensor& t : work.result()) keep(is_half(t.dtype()) ? t.astype(f32) : t);
  request_ = "prepare\t" + row.formula + "\t" + row.arguments + "\t" + (row.check.empty() ? row.arguments : row.check) +
             "\t" + joined(names_, 0, inputs) + "\t" + joined(names_, inputs, names_.size());
}

RowFiles::~RowFiles() {
  std::error_code ignored;
  for (const std::string& name : names_) std::filesystem::remove(name, ignored);
}

Peer::Peer(PeerKind kind, const std::string& python, const std::string& folder, int threads) : kind_(kind) {
  const char* const words[] = {"numpy", "torch", "jax"};
  process_ = PeerProcess({python, folder + "/serve.py", words[static_cast<int>(kind)], std::to_string(threads)},
                         environment(threads));
  const std::string line = process_.line(patience);
  const Answer answer = line.empty() ? Answer{Answer::Kind::none, 0, python + " does not start"} : parse_answer(line);
  text_ = answer.text;
  if (answer.kind != Answer::Kind::ready) process_.end();
}

bool Peer::prepare(const RowFiles& files, double tolerance, std::string& why) {
  why.clear();
  if (!here()) return false;
  process_.ask(files.request());
  const std::string line = process_.line(patience);
  if (line.empty()) {
    why = "its process has ended";
    return false;
  }
  const Answer answer = parse_answer(line);
  if (answer.kind == Answer::Kind::none) {
    if (answer.text != "no such formula") why = answer.text;
    return false;
  }
  if (answer.kind != Answer::Kind::prepared) throw std::runtime_error("a peer did not say what it was asked: " + line);
  if (answer.number <= tolerance) return true;
  char text[80];
  std::snprintf(text, sizeof text, "differs by %.2g of the largest magnitude, above %.2g", answer.number, tolerance);
  why = text;
  return false;
}

double Peer::seconds() {
  process_.ask("time");
  const std::string line = process_.line(patience);
  if (line.empty()) return 0;
  const Answer answer = parse_answer(line);
  if (answer.kind != Answer::Kind::seconds) throw std::runtime_error("a peer did not say what it was asked: " + line);
  return answer.number;
}

}  // namespace tenon::bench
