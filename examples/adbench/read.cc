// Reads ADBench's files number by number.
#include "tenon/examples/adbench/read.h"

#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

#include "tenon/ir/base/error.h"

namespace adbench {
namespace {

constexpr int64_t most = 1 << 24;  // of anything that a file counts

class Numbers {
 public:
  explicit Numbers(const std::string& path) : path_(path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw tn::Error("ADBench file '" + path + "' cannot be opened; is the folder with the data right?");
    std::ostringstream all;
    all << file.rdbuf();
    text_ = all.str();
  }

  int64_t count() {
    const double value = next();
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) != value || whole < 0 || whole > most) refuse("a count is no count");
    return whole;
  }
  double next() {
    while (at_ < text_.size() && (std::isspace(static_cast<unsigned char>(text_[at_])) || text_[at_] == ':')) ++at_;
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc{}) refuse(at_ == text_.size() ? "it ends early" : "it holds something that is no number");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }
  Tensor tensor(const std::vector<int64_t>& shape) {
    int64_t size = 1;
    for (int64_t extent : shape) size *= extent;
    if (size > most) refuse("it counts more than such files hold");
    std::vector<double> values(static_cast<size_t>(size));
    for (double& value : values) value = next();
    return tn::copy_from(values.data(), shape, tn::f64);
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw tn::Error("ADBench file '" + path_ + "': " + reason + " (byte " + std::to_string(at_) + ")");
  }
  std::string path_, text_;
  size_t at_ = 0;
};

}  // namespace

std::string default_folder() { return TENON_SOURCE_DIR "/../shared/data/adbench"; }

GmmFile read_gmm(const std::string& path) {
  Numbers in(path);
  const int64_t d = in.count(), k = in.count(), n = in.count();
  GmmFile file;
  file.params.alpha = in.tensor({k});
  file.params.mean = in.tensor({k, d});
  file.params.icf = in.tensor({k, d * (d + 1) / 2});
  file.data.x = in.tensor({n, d});
  file.data.gamma = in.next();
  file.data.m = in.count();
  return file;
}

LstmFile read_lstm(const std::string& path) {
  Numbers in(path);
  const int64_t layers = in.count(), characters = in.count(), width = in.count();
  LstmFile file;
  file.params.main = in.tensor({layers, 2, 4, width});
  file.params.extra = in.tensor({3, width});
  file.data.state = in.tensor({layers, 2, width});
  file.data.sequence = in.tensor({characters, width});
  return file;
}

}  // namespace adbench
