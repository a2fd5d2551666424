// Texts of errors.
#include "tenon/ir/base/error.h"

namespace tenon {

std::string to_string(const Location& where) {
  return std::string(where.file) + ":" + std::to_string(where.line) + ":" + std::to_string(where.column);
}

Error::Error(std::string message, Location where, std::shared_ptr<const std::string> file)
    : message_(std::move(message)), where_(where), file_(std::move(file)) {
  if (file_) where_.file = file_->c_str();
  text_ = where_.known() ? to_string(where_) + ": " + message_ : message_;
}

}  // namespace tenon
