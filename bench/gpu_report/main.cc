// ./dev gpu-report: what Tenon does on this machine's GPU, checked and measured within a time.
// usage: gpu_report [--out DIR] [--budget SECONDS] [--quick] [--fresh] [--commit NAME]. Refuses to run without a GPU.
#include <tenon/tenon.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tenon/bench/gpu_report/report.h"

namespace tenon::gpu_report {

const std::vector<Section>& sections() {
  static const std::vector<Section> all = {
      {"identify", "the machine", 0.05, 6, &identify},
      {"ceilings", "ceilings", 0.15, 11, &ceilings},
      {"correctness", "against the CPU's bits", 0.4, 8, &correctness},
      {"elementwise", "elementwise", 0.47, 7, &elementwise},
      {"rows", "reductions and norms", 0.59, 8, &rows},
      {"products", "matrix products", 0.69, 7, &products},
      {"models", "whole models", 0.79, 4, &models},
      {"latency", "latency", 0.84, 6, &latency},
      {"peers", "others on the same shapes", 1, 0, &peers},
  };
  return all;
}

namespace {

uint64_t digest(const std::string& text) {  // FNV-1a
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}
std::string hex(uint64_t value) {
  char digits[20];
  std::snprintf(digits, sizeof digits, "%08llx", static_cast<unsigned long long>(value & 0xffffffff));
  return digits;
}

// The commit, and the digest of what was changed since; of a tree without git the program's own digest.
std::string commit_of_this_tree() {
  Printed head = printed_by({"git", "-C", TENON_SOURCE_DIR, "rev-parse", "--short=12", "HEAD"}, 10);
  if (!head.succeeded) return "program-" + hex(digest(read_file("/proc/self/exe")));
  head.text.erase(head.text.find_last_not_of('\n') + 1);
  const std::string changes = printed_by({"git", "-C", TENON_SOURCE_DIR, "diff", "HEAD"}, 20).text;
  return changes.empty() ? head.text : head.text + "+" + hex(digest(changes));
}

int usage() {
  std::fprintf(
      stderr,
      "usage: gpu_report [--out DIR] [--budget SECONDS] [--quick] [--fresh] [--commit NAME]\n"
      "  DIR (build/gpu-report) gets a file for each section, which is not measured again; --fresh starts over\n"
      "  --budget: seconds that all of it may take, 460 unless told; --quick: tiny sizes\n"
      "exit code: 0, 1 without a GPU, 2 for wrong arguments, 3 where a result is wrong\n");
  return 2;
}

bool read_arguments(int argc, char** argv, Options& o) {
  for (int k = 1; k < argc; ++k) {
    const std::string word = argv[k];
    if (word == "--quick") {
      o.quick = true;
    } else if (word == "--fresh") {
      o.fresh = true;
    } else {
      if (k + 1 >= argc) return false;
      const char* next = argv[++k];
      double* number = word == "--budget"    ? &o.budget
                       : word == "--seconds" ? &o.seconds
                       : word == "--elapsed" ? &o.elapsed
                                             : nullptr;
      std::string* text = word == "--out"      ? &o.out
                          : word == "--commit" ? &o.commit
                          : word == "--device" ? &o.device
                          : word == "--child"  ? &o.child
                                               : nullptr;
      char* end = nullptr;
      if (number != nullptr && ((*number = std::strtod(next, &end)) < 0 || *end != '\0' || end == next)) return false;
      if (text != nullptr) *text = next;
      if (number == nullptr && text == nullptr) return false;
    }
  }
  return o.budget > 0;
}

int run_child(const Options& o) {
  set_default_device(cuda(0));
  if (o.child == "probe") return probe(o);
  for (const Section& s : sections()) {
    if (o.child != s.name) continue;
    Recorder recorder(o, s.name);
    s.run(recorder);
    recorder.finish();
    return 0;
  }
  return usage();
}

int run(Options o) {
  if (const std::string reason = cuda_reason(); !reason.empty()) {
    std::fprintf(stderr, "gpu_report: there is no GPU to report on: %s\n\n%s", reason.c_str(), doctor().c_str());
    return 1;
  }
  if (!o.child.empty()) return run_child(o);
  if (o.out.empty()) o.out = o.quick ? "build/gpu-report-quick" : "build/gpu-report";
  if (o.commit.empty()) o.commit = commit_of_this_tree();
  const DeviceInfo device = device_info(cuda(0));
  o.device = device.name + ", " + device.architecture;
  return run_report(std::move(o));
}

}  // namespace
}  // namespace tenon::gpu_report

int main(int argc, char** argv) {
  tenon::gpu_report::Options options;
  if (!tenon::gpu_report::read_arguments(argc, argv, options)) return tenon::gpu_report::usage();
  try {
    return tenon::gpu_report::run(std::move(options));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gpu_report: %s\n", e.what());
    return 1;
  }
}
