// A fresh folder of a test's own among the system's temporary ones. Whoever makes it removes it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "tenon/ir/base/error.h"

namespace tenon::testing {

inline std::string temporary_folder(const std::string& name) {
  // mkdtemp takes a name that ends in six of these and replaces them.
  std::string folder =
      (std::filesystem::temp_directory_path() / ("tenon-" + name + "-")).string() + std::string(6, 'X');
  if (mkdtemp(folder.data()) == nullptr) throw Error("no temporary folder " + folder);
  return folder;
}

}  // namespace tenon::testing
