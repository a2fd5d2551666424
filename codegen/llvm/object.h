// Objects as they leave the code generator: what each may contain, and those that programs share.
#pragma once

#include <functional>
#include <string>

#include "tenon/codegen/llvm/contract/shared.h"

namespace tenon::codegen {

// InternalError for an object with writable data, or with an undefined symbol that is neither memcpy nor memset nor one that it
// may ask for; its text says what the object is of.
void check_object(const std::string& bytes, const std::string& name,
                  const std::function<bool(const std::string&)>& may_ask_for);

// Objects of shared functions are kept, those that were used last: kept_object is empty where there is none; shared_object
// compiles one and keeps it. From any thread of a section (ir/base/undisturbed.h); its own thread asks first.
std::string kept_object(const std::string& symbol);
std::string shared_object(const SharedFunction& function, const CpuTarget& target);

}  // namespace tenon::codegen
