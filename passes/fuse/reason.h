// Why an edge between two groups stays: recorded as a value when a sweep refuses, put into words when the plan is reported.
// Refuses to decide, and to guess afterwards.
#pragma once

#include <string>
#include <string_view>

#include "tenon/ir/graph/graph.h"

namespace tenon::passes {

enum class Why : uint8_t {
  none,
  off,
  full,
  consumer_alone,
  producer_alone,
  shares_buffer,
  contractions,
  not_elementwise,  // after a contraction
  packing,
  stored,
  recompute,
  single_number,
  elsewhere,
  producer_space,
  space,
  index,
  cycle,
};

struct Refusal {
  Why why = Why::none;
  ir::NodeId about = ir::no_node;  // the node that the words name, where it is not the edge's producer
  int64_t times = 0;  // of `recompute`: how often; 0 when it is not known
};

// The names that the words may need.
struct RefusalNames {
  std::string_view op;
  const char* producer;  // natures of the two groups
  const char* consumer;
  int kernel_ops;
};
std::string in_words(const Refusal& refusal, const RefusalNames& names);

}  // namespace tenon::passes
