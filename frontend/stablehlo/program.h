// From a module to a program that can be called. Refuses nothing itself: importers say what is wrong.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenon/frontend/stablehlo/module.h"
#include "tenon/frontend/transform/program.h"

namespace tenon::hlo {

// The public function to run, with everything that it calls parsed. Error where there is none, and for operations nobody knows.
const Function& entry_of(Module& module);
// One function on arguments of these types; arguments with a value are constants, and their inputs stand unused. Each value that is
// `checked` is compared with the argument when the program runs. `asked`, if not null, gets the arguments on whose values a shape depends.
struct Argument {
  ir::Type type;
  std::optional<int64_t> value = {};
  bool checked = false;
};
std::shared_ptr<detail::Program> import_function(Module& module, const Function& f,
                                                 const std::vector<Argument>& arguments, const Location& at,
                                                 std::vector<size_t>* asked);
bool has_free_extents(const Module& module);  // in a function that was parsed
// The program for these very arguments.
std::shared_ptr<detail::Program> import_for(Module& module, const Function& f, const std::vector<Tensor>& inputs,
                                            const Location& at);
std::shared_ptr<detail::Program> program_of(std::shared_ptr<Module> module, const Location& at);

}  // namespace tenon::hlo
