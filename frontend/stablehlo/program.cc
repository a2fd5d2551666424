// Finding the entry, importing it, and, with free extents, importing it again for every call: for arguments of these extents.
#include "tenon/frontend/stablehlo/program.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "tenon/frontend/stablehlo/import.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon::hlo {
namespace {

// The operations of a region and of those inside it, without recursion.
template <class Visit>
void for_each_operation(const Region& region, Visit visit) {
  std::vector<const Region*> open = {&region};
  while (!open.empty()) {
    const Region& r = *open.back();
    open.pop_back();
    for (const Operation& op : r.operations) {
      visit(op);
      for (const Region& inner : op.regions) open.push_back(&inner);
    }
  }
}

bool is_free(const TensorType& t) {
  return std::find(t.extents.begin(), t.extents.end(), unknown_extent) != t.extents.end();
}

}  // namespace

const Function& entry_of(Module& module) {
  const Function* entry = module.find("main");
  if (entry == nullptr || !entry->is_public) {
    entry = nullptr;
    for (const Function& f : module.functions) {
      if (!f.is_public) continue;
      if (entry != nullptr) throw TextError(module.source->name + ": of several public functions none is called @main");
      entry = &f;
    }
  }
  if (entry == nullptr) throw TextError(module.source->name + ": the module has no public function");
  std::set<std::string_view> met = {entry->name};
  std::vector<const Function*> open = {entry};
  while (!open.empty()) {
    const Function& f = module.body_of(*open.back());
    open.pop_back();
    for_each_operation(*f.body, [&](const Operation& op) {
      const Attribute* callee = op.attributes.find(op.name == "stablehlo.composite" ? "decomposition" : "callee");
      if (callee == nullptr || op.name == "stablehlo.custom_call" || !met.insert(callee->text).second) return;
      if (const Function* called = module.find(callee->text)) open.push_back(called);
    });
  }
  return *entry;
}

bool has_free_extents(const Module& module) {
  bool found = false;
  for (const Function& f : module.functions) {
    if (!f.body) continue;
    found |= std::any_of(f.argument_types.begin(), f.argument_types.end(), is_free);
    for_each_operation(*f.body, [&](const Operation& op) {
      found |= std::any_of(op.result_types.begin(), op.result_types.end(), is_free);
    });
  }
  return found;
}

namespace {

// Arguments as values: inputs, or the numbers that are known of them.
std::vector<Value> values_of(Building& root, const std::vector<Argument>& arguments, const std::string& place) {
  std::vector<Value> values;
  for (const Argument& a : arguments) values.push_back({&root.builder, root.builder.input(a.type)});
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Argument& a = arguments[i];
    if (!a.value) continue;
    const Value number = ir::splat_integer(root.builder, a.type.dtype, *a.value, {});
    const Value same[] = {ir::eq(values[i], number)};
    if (a.checked)
      ir::apply(root.builder, ir::Op::check, same,
                ir::CheckAttrs{.message = "check failed: argument " + std::to_string(i) + " is not " +
                                          std::to_string(*a.value) + ", as the extents of the others say",
                               .place = place});
    values[i] = number;
  }
  return values;
}

}  // namespace

std::shared_ptr<detail::Program> import_function(Module& module, const Function& f,
                                                 const std::vector<Argument>& arguments, const Location& at,
                                                 std::vector<size_t>* asked) {
  auto program = std::make_shared<detail::Program>();
  program->arguments = static_cast<uint32_t>(arguments.size());
  Importer importer(module, program->captured);
  try {
    Building root("main", std::make_shared<Symbols>());
    root.builder.set_location(at);
    std::vector<ir::ValueId> outputs;
    for (const Value& v : importer.call(root, f, values_of(root, arguments, module.source->place(f.at))))
      outputs.push_back(v.id);
    program->graph = root.builder.finish(outputs);
  } catch (const Error& e) {
    if (asked != nullptr)
      for (ir::ValueId v : importer.asked)
        if (ir::index(v) < arguments.size() && !arguments[ir::index(v)].value) asked->push_back(ir::index(v));
    if (asked != nullptr && !asked->empty()) return nullptr;
    if (dynamic_cast<const TextError*>(&e) != nullptr) throw;
    module.source->fail(f.at, "function @" + std::string(f.name) + ": " + e.message());
  }
  return program;
}

namespace {

std::optional<int64_t> value_of(const Tensor& t, const Location& at) {
  if (!t.cell()->concrete() || t.ndim() != 0 || !is_integer(t.dtype())) return std::nullopt;
  const runtime::HostView view(*buffer_of(t, "a program with free extents", at));
  uint64_t bits = 0;
  std::memcpy(&bits, view.data(), static_cast<size_t>(bytes(t.dtype())));
  const int unused = 64 - 8 * bytes(t.dtype());
  return is_signed(t.dtype()) ? static_cast<int64_t>(bits << unused) >> unused : static_cast<int64_t>(bits);
}

// What free extents of the arguments are, in their order, each number once.
std::vector<int64_t> extents_met(const Function& f, const std::vector<Argument>& arguments) {
  std::vector<int64_t> found;
  for (size_t i = 0; i < arguments.size(); ++i)
    for (size_t k = 0; k < f.argument_types[i].extents.size(); ++k) {
      const int64_t n = arguments[i].type.shape[k].number();
      if (f.argument_types[i].extents[k] < 0 && std::find(found.begin(), found.end(), n) == found.end())
        found.push_back(n);
    }
  return found;
}

// The program with the values of some more arguments: those that can be read as they are; for others the extents of the arguments are
// tried, the k-th extent first for the k-th of them. What does not fit the types of the program fails; the first that fits is checked when
// the program runs. Null where the program fails, for the last `reason`, or asks for the values of others, which `asked` gets.
std::shared_ptr<detail::Program> import_knowing(Module& module, const Function& f, std::vector<Argument> arguments,
                                                const std::vector<Tensor>& inputs, const std::vector<size_t>& wanted,
                                                const Location& at, std::vector<size_t>& asked, std::string& reason) {
  std::vector<size_t> guessed;
  for (size_t i : wanted)
    if (!(arguments[i].value = value_of(inputs[i], at))) guessed.push_back(i);
  const std::vector<int64_t> extents = extents_met(f, arguments);
  constexpr size_t most_tries = 256;
  if (!guessed.empty() && extents.empty()) return nullptr;
  for (size_t attempt = 0; attempt < most_tries; ++attempt) {
    size_t rest = attempt;
    for (size_t k = 0; k < guessed.size(); ++k) {
      arguments[guessed[k]].value = extents[(rest % extents.size() + k) % extents.size()];
      arguments[guessed[k]].checked = true;
      rest /= extents.size();
    }
    if (rest > 0) return nullptr;  // all were tried
    try {
      if (auto program = import_function(module, f, arguments, at, &asked)) return program;
    } catch (const Error& e) {
      reason = e.message();
    }
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<detail::Program> import_for(Module& module, const Function& f, const std::vector<Tensor>& inputs,
                                            const Location& at) {
  if (inputs.size() != f.argument_types.size())
    throw Error("this function takes " + std::to_string(f.argument_types.size()) + " tensors, not " +
                std::to_string(inputs.size()));
  std::vector<Argument> arguments;
  for (const Tensor& t : inputs) {
    if (!t.defined()) throw Error("an undefined tensor was given to a program");
    if (!t.cell()->type.shape.is_static())
      throw Error(describe(t) + " has a free extent; a StableHLO program with free extents takes numbers");
    arguments.push_back({t.cell()->type});
  }
  std::vector<size_t> known, asked;
  std::string reason;
  if (auto program = import_function(module, f, arguments, at, &asked)) return program;
  while (!asked.empty()) {
    std::sort(asked.begin(), asked.end());
    asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
    std::vector<size_t> more;
    for (size_t i : asked) {  // one that suffices, so that the others stay arguments
      std::vector<size_t> wanted = known;
      wanted.push_back(i);
      if (auto program = import_knowing(module, f, arguments, inputs, wanted, at, more, reason)) return program;
    }
    known.insert(known.end(), asked.begin(), asked.end());
    std::sort(known.begin(), known.end());
    asked.clear();
    if (auto program = import_knowing(module, f, arguments, inputs, known, at, asked, reason)) return program;
    std::erase_if(asked, [&](size_t i) { return std::find(known.begin(), known.end(), i) != known.end(); });
  }
  const bool all_known = std::all_of(known.begin(), known.end(), [&](size_t i) { return value_of(inputs[i], at); });
  if (all_known && !reason.empty()) throw TextError(reason);
  throw Error("the shapes of this program depend on the value of argument " + std::to_string(known.at(0)) +
              ", which a transform does not know, and which is no extent of another argument; capture it instead" +
              (reason.empty() ? "" : " (" + reason + ")"));
}

std::shared_ptr<detail::Program> program_of(std::shared_ptr<Module> module, const Location& at) {
  const Function& entry = entry_of(*module);
  if (has_free_extents(*module)) {
    auto program = std::make_shared<detail::Program>();
    program->arguments = static_cast<uint32_t>(entry.argument_types.size());
    program->for_inputs = [module, &entry, at](const std::vector<Tensor>& inputs) {
      return import_for(*module, entry, inputs, at);
    };
    return program;
  }
  std::vector<Argument> arguments;
  for (size_t i = 0; i < entry.argument_types.size(); ++i) {
    const TensorType& t = entry.argument_types[i];
    if (!t.ranked || !t.dtype)
      module->source->fail(entry.at, "argument " + std::to_string(i) + " of type " + std::string(t.element) +
                                         " is no tensor of numbers that Tenon has");
    arguments.push_back({{*t.dtype, Shape::from(t.extents)}});
  }
  return import_function(*module, entry, arguments, at, nullptr);
}

}  // namespace tenon::hlo
