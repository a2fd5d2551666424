// A value among the metadata of a GGUF file: one of ten types, asked for by the type. (Not std::variant, whose header is dear to include.)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tenon {

// Integers of every width are int64_t, and uint64_t only what is 2^63 or more; floats of both widths are double. Arrays likewise. Copies
// share what they hold.
class GgufValue {
 public:
  enum class Kind : uint8_t { integer, wide, number, truth, text, integers, wides, numbers, truths, texts };

  template <class T>
  static constexpr Kind kind_of() {
    constexpr bool known[] = {std::is_same_v<T, int64_t>,
                              std::is_same_v<T, uint64_t>,
                              std::is_same_v<T, double>,
                              std::is_same_v<T, bool>,
                              std::is_same_v<T, std::string>,
                              std::is_same_v<T, std::vector<int64_t>>,
                              std::is_same_v<T, std::vector<uint64_t>>,
                              std::is_same_v<T, std::vector<double>>,
                              std::is_same_v<T, std::vector<bool>>,
                              std::is_same_v<T, std::vector<std::string>>};
    constexpr int kind = [](const bool* is) {
      for (int i = 0; i < 10; ++i)
        if (is[i]) return i;
      return -1;
    }(known);
    static_assert(kind >= 0, "int64_t, uint64_t, double, bool, std::string, or a std::vector of one of these");
    return static_cast<Kind>(kind);
  }

  template <class T>
    requires(!std::is_same_v<T, GgufValue>)
  explicit GgufValue(T value) : kind_(kind_of<T>()), held_(std::make_shared<const T>(std::move(value))) {}
  Kind kind() const { return kind_; }
  template <class T>
  const T* get() const {  // null where it is of another type
    return kind_ == kind_of<T>() ? static_cast<const T*>(held_.get()) : nullptr;
  }

 private:
  Kind kind_;
  std::shared_ptr<const void> held_;
};

}  // namespace tenon
