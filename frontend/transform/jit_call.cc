// Calls of signatures that are there: from the arguments' tensors to the results in one function, without a lock, without memory of
// malloc's and without text. One walk over the tensors writes their types into the key and pins their buffers; one barrier serves
// the call; the entry is found, and stays, in a section that nobody waits for. Whatever is more than that (tapes, donation, free
// extents, enclosing traces, tensors that have to move) is left to run_entry().
#include "tenon/frontend/tensor/quick_call.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/cache/key_match.h"

namespace tenon::detail {
namespace {

// What the walk over the arguments saw.
struct Seen {
  const runtime::Device* device = nullptr;  // of all
  bool usual = true;  // each has a place, the same, and is no number that goes where others are
  const Tensor* after_backward = nullptr;  // the first that was computed from a gradient

  bool take(const Tensor& t, const Cell& cell, Pins& pins) {
    if (cell.place == nullptr || cell.number || (device != nullptr && device != cell.place)) return usual = false;
    device = cell.place;
    if (cell.backward.known() && after_backward == nullptr) after_backward = &t;
    pins.add(*cell.slot);
    return true;
  }
};

void call_plainly(const JitEntry& entry, Seen& seen, Pins& pins, std::span<Tensor* const> given, Tensors& results) {
  const std::span<const Tensor> captured = entry.program.captured;
  pins.hold();
  Addresses in;
  const auto input = [&](size_t i) -> const Tensor& {
    return i < given.size() ? *given[i] : captured[i - given.size()];
  };
  addresses_of(in, pins, given.size() + captured.size(), input, entry.caller.name, entry.caller.at);
  run_into(results, *entry.plain.program, in.data(), {}, entry.caller, nullptr);
  if (seen.after_backward != nullptr) pass_gradients_on({seen.after_backward, 1}, {results.data(), results.size()});
}

// Whether calls run its program and nothing else.
bool is_plain(const JitEntry& entry) { return entry.ready.load(std::memory_order_acquire) && entry.plainly; }

void compare(KeyMatch& match, const Cell& cell) {
  match.word(head_of(cell.type, part_of(cell)));
  if (!match.same()) return;
  for (const Dim d : cell.type.shape) match.word(static_cast<uint64_t>(d.code()));
}
bool compare_end(KeyMatch& match, const runtime::Device& device) {
  match.word(modes_word(device));
  return match.whole() && NamedAxis::writes_nothing();
}

// The entry of a signature that is no longer compared, but made.
const runtime::MemoryCache::Value* found_entry(JitState& state, const Dynamic* dynamic, Leaves& signature,
                                               std::span<Tensor* const> given, const Seen& seen,
                                               const runtime::Reading& section) {
  if (dynamic != nullptr) {
    write_free_types(*dynamic, signature, state.made);
  } else {
    write_types(signature.structure, given);
    write_modes(signature.structure,
                seen.usual && seen.device != nullptr ? *seen.device : device_of_all(given, "jit", state.made));
  }
  return state.entries.find(signature.structure.view(), section);
}

// False where more is to be done: for the entry that is held, or for a signature without one.
bool called_quickly(JitState& state, const Dynamic* dynamic, Leaves& signature, bool wants_tree, Results& results,
                    std::shared_ptr<JitEntry>& held) {
  const runtime::Reading section;  // while it lasts, no entry goes
  const std::span<Tensor* const> given{signature.tensors.data(), signature.tensors.size()};
  Pins pins(section.thread());
  Seen seen;
  // The key of what was found last is compared as the walk goes, before any is made.
  const runtime::MemoryCache& entries = state.entries.untyped();
  const runtime::CacheEntry* const last = dynamic == nullptr ? entries.found_last(section) : nullptr;
  KeyMatch match(last != nullptr ? last->key.view() : std::string_view());
  match.padded(signature.structure.view());
  for (const Tensor* t : given) {
    const Cell& cell = *t->cell();
    if (!seen.take(*t, cell, pins)) break;
    compare(match, cell);
  }
  const runtime::MemoryCache::Value* found = nullptr;
  if (match.same() && seen.usual && seen.device != nullptr && compare_end(match, *seen.device) &&
      is_plain(state.entries.in(last->value)))
    found = &entries.found_again(*last, section);
  else
    found = found_entry(state, dynamic, signature, given, seen, section);
  if (found == nullptr) return false;
  const JitEntry& entry = state.entries.in(*found);
  bool plainly = seen.usual && dynamic == nullptr && is_plain(entry) && thread_modes.trace == nullptr;
  if (plainly && seen.device != nullptr) plainly = seen.device == entry.device;
  seen.device = entry.device;
  for (size_t i = 0; plainly && i < entry.program.captured.size(); ++i)
    plainly = seen.take(entry.program.captured[i], *entry.program.captured[i].cell(), pins);
  if (!plainly) {
    held = state.entries.share(*found);
    return false;
  }
  if (wants_tree) results.tree = entry.result;
  try {
    call_plainly(entry, seen, pins, given, results.tensors);
  } catch (...) {
    leave_with_error(entry.plain.name.c_str(), entry.made, "'");
  }
  return true;
}

}  // namespace

bool call_entry(JitState& state, const Dynamic* dynamic, Leaves& signature, bool wants_tree, Results& results) {
  std::shared_ptr<JitEntry> held;
  if (called_quickly(state, dynamic, signature, wants_tree, results, held)) return true;
  if (held == nullptr) return false;
  run_entry(state, *held, signature, wants_tree, results);
  return true;
}

}  // namespace tenon::detail
