// Looking into a jitted function without running it: its graph, its kernels and where they come from, its memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tenon {

namespace detail {
struct JitEntry;
}

struct KernelInfo {
  std::string name, kind;  // kind: map, row, column, contract, nest
  std::vector<std::string> lines;  // file:line of the ops it computes
  std::string bytes_read, bytes_written, flops;
};
// In bytes. Of a program with free extents: where each is as large as its bound lets it be; -1 where one has no bound.
struct MemoryInfo {
  int64_t arena_bytes = 0, input_bytes = 0, output_bytes = 0;
};
// A compiled program, to look into.
class Compiled {
 public:
  explicit Compiled(std::shared_ptr<detail::JitEntry> e) : entry_(std::move(e)) {}
  std::string explain() const;  // per kernel: source lines, bytes, flops; and for each edge that was not fused, why
  std::vector<KernelInfo> kernels() const;
  MemoryInfo memory() const;
  bool from_cache() const;
  double compile_seconds() const;
  const std::shared_ptr<detail::JitEntry>& entry() const { return entry_; }

 private:
  std::shared_ptr<detail::JitEntry> entry_;
};
class Lowered {
 public:
  explicit Lowered(std::shared_ptr<detail::JitEntry> e) : entry_(std::move(e)) {}
  std::string ir() const;
  std::string program() const;  // kernels and steps, as text
  Compiled compile() const;
  const std::shared_ptr<detail::JitEntry>& entry() const { return entry_; }

 private:
  std::shared_ptr<detail::JitEntry> entry_;
};

}  // namespace tenon
