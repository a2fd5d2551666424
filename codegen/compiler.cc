// When the code generator begins and ends, and the functions that are behind its table. Refuses to know how it is found.
#include "tenon/codegen/compiler.h"

#include <atomic>
#include <cstdlib>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

namespace {

constinit std::atomic<bool> ended{false};

// The statics of what is behind the table go from here on. Compilations that run come to their end first; none that comes
// later finds `ended` unset.
void end() {
  begin_alone();
  ended.store(true);
  end_alone();
}

// Objects are destroyed in the reverse order of their making: the end is registered after the statics are made, and comes before
// they go.
const Compiler* begin() {
  const Compiler& found = find_compiler();
  found.start();
  std::atexit(end);
  return &found;
}
constinit Forever<const Compiler> begun;

}  // namespace

bool has_ended() { return ended.load() || (!begun.is_made() && is_too_late_to_find()); }

const Compiler& compiler() {
  if (has_ended()) throw InternalError("code is to be generated after the generator's end");
  return begun.get(&begin);
}

Processor host_processor() {
  const Undisturbed section;
  return compiler().host_processor();
}

Target host_target() {
  static constinit Forever<const Target> host;
  return host.get([] { return new Target(host_target(host_processor())); });
}

std::vector<std::string> compile_objects(const ir::Program& program, const Target& target, const Options& options) {
  const Undisturbed section;
  return compiler().compile_objects(program, target, options);
}

void drop_kept_objects() {
  const Undisturbed section;
  if (begun.is_made() && !ended.load()) compiler().drop_kept_objects();
}

std::string llvm_text(const ir::Program& program, const Target& target, const Options& options) {
  const Undisturbed section;
  return compiler().llvm_text(program, target, options);
}

int64_t arena_bytes(const ir::Program& program, const Target& target) {
  const Undisturbed section;
  return compiler().arena_bytes(program, target);
}

std::string data_object(const std::string& name, const std::string& data, const CpuTarget& target) {
  const Undisturbed section;
  return compiler().data_object(name, data, target);
}

std::string archive_objects(std::span<const std::string> objects, const std::string& name) {
  const Undisturbed section;
  return compiler().archive_objects(objects, name);
}

const void* compiler_address() {
  const Undisturbed section;
  return compiler().address();
}

const void* generator_address() {
  const Undisturbed section;
  return &compiler();
}

}  // namespace tenon::codegen
