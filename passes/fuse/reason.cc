// The words for each reason: one table, with the places where names and numbers go.
#include "tenon/passes/fuse/reason.h"

#include <vector>

namespace tenon::passes {

namespace {

// No default: a new reason does not build without words.
constexpr const char* text(Why why) {
  switch (why) {
    case Why::none: return "nothing refused it";
    case Why::off: return "fusion is off";
    case Why::full: return "kernel is full: {limit} scalar ops";
    case Why::consumer_alone: return "consumer is {consumer}";
    case Why::producer_alone: return "producer is {producer}";
    case Why::shares_buffer: return "producer is a {op} that shares its operand's buffer";
    case Why::contractions: return "producer and consumer are contractions";
    case Why::not_elementwise: return "producer is a contraction: only what follows element by element joins it";
    case Why::packing: return "packing the contraction would compute {op} more than once";
    case Why::stored: return "the value is stored for several readers";
    case Why::recompute: return "would recompute {op} {times} times";
    case Why::single_number: return "a single number, computed once for all its readers";
    case Why::elsewhere: return "read at another index, and stored for several readers or too dear to compute twice";
    case Why::producer_space: return "producer is {producer} with another iteration space";
    case Why::space: return "different iteration space";
    case Why::index: return "read at another index than it is written";
    case Why::cycle: return "another group stands between them: fusing would make a cycle";
  }
  return "";
}

}  // namespace

std::string in_words(const Refusal& refusal, const RefusalNames& names) {
  const std::pair<std::string_view, std::string> places[] = {
      {"{limit}", std::to_string(names.kernel_ops)},
      {"{consumer}", names.consumer},
      {"{producer}", names.producer},
      {"{op}", std::string(names.op)},
      {"{times}", refusal.times > 0 ? std::to_string(refusal.times) : "many"},
  };
  std::string words = text(refusal.why);
  for (const auto& [place, name] : places)
    if (const size_t at = words.find(place); at != std::string::npos) words.replace(at, place.size(), name);
  return words;
}

}  // namespace tenon::passes
