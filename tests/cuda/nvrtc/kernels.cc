// One walk over the tokens of a text. Comments, literals and lines of the preprocessor are passed over.
#include "tenon/tests/cuda/nvrtc/kernels.h"

#include <cctype>
#include <vector>

namespace simulated {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

class Walk {
 public:
  explicit Walk(const std::string& text) : text_(text) {}

  std::string run() {
    while (skip(), at_ < text_.size()) {
      if (is_word(text_[at_])) {
        word();
        continue;
      }
      const char c = text_[at_];
      emit(1);
      if (c == '{') ++depth_;
      if (c != '}') continue;
      --depth_;
      if (!kernel_.empty() && depth_ == kernel_depth_) {
        result_ += " SIMULATED_KERNEL(" + kernel_ + (bounds_.empty() ? "" : ", " + bounds_) + ")";
        kernel_.clear();
      }
    }
    return std::move(result_);
  }

 private:
  void emit(size_t count) {
    result_.append(text_, at_, count);
    at_ += count;
  }
  bool starts(const char* with) const { return text_.compare(at_, std::char_traits<char>::length(with), with) == 0; }
  size_t end_of(const std::string& mark, size_t from) const {
    const size_t found = text_.find(mark, from);
    return found == std::string::npos ? text_.size() : found + mark.size();
  }
  // Past spaces, comments, literals, and lines that begin with #.
  void skip() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (starts("//")) {
        emit(std::min(text_.find('\n', at_), text_.size()) - at_);
      } else if (starts("/*")) {
        emit(end_of("*/", at_ + 2) - at_);
      } else if (c == '"' || (c == '\'' && (at_ == 0 || !is_word(text_[at_ - 1])))) {
        size_t end = at_ + 1;
        while (end < text_.size() && text_[end] != c) end += text_[end] == '\\' ? 2 : 1;
        emit(std::min(end + 1, text_.size()) - at_);
      } else if (c == '#' && begins_line()) {
        size_t end = text_.find('\n', at_);
        while (end != std::string::npos && text_[end - 1] == '\\') end = text_.find('\n', end + 1);
        emit(std::min(end, text_.size()) - at_);
      } else if (std::isspace(static_cast<unsigned char>(c))) {
        emit(1);
      } else {
        return;
      }
    }
  }
  bool begins_line() const {
    const size_t before = text_.find_last_not_of(" \t", at_ == 0 ? 0 : at_ - 1);
    return at_ == 0 || before == std::string::npos || text_[before] == '\n';
  }
  std::string peek_word() const {
    size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  // From an opening parenthesis to behind its closing one; what stands between.
  std::string parenthesized() {
    const size_t begin = at_;
    int open = 0;
    do {
      open += text_[at_] == '(' ? 1 : text_[at_] == ')' ? -1 : 0;
      emit(1);
    } while (open > 0 && at_ < text_.size());
    return text_.substr(begin + 1, at_ - begin - 2);
  }

  void word() {
    const std::string w = peek_word();
    if (w == "extern" && dynamic_shared()) return;
    emit(w.size());
    if (w == "__global__") declaration();
  }

  // extern __shared__ TYPE NAME[]; may bear an alignment, which the memory has anyway.
  bool dynamic_shared() {
    const size_t end = text_.find(';', at_);
    if (end == std::string::npos) return false;
    const std::string said = text_.substr(at_, end - at_);
    const size_t shared = said.find("__shared__"), bracket = said.find('[');
    if (shared == std::string::npos || bracket == std::string::npos || said.find_first_of("{}(=\"") < shared)
      return false;
    size_t name_end = bracket;
    while (name_end > 0 && !is_word(said[name_end - 1])) --name_end;
    size_t name_begin = name_end;
    while (name_begin > 0 && is_word(said[name_begin - 1])) --name_begin;
    std::string type = said.substr(shared + 10, name_begin - shared - 10);
    for (const char* alignment : {"__align__", "alignas"})
      if (const size_t a = type.find(alignment); a != std::string::npos) type.erase(a, type.find(')', a) + 1 - a);
    const std::string name = said.substr(name_begin, name_end - name_begin);
    result_ += type + "* const " + name + " = reinterpret_cast<" + type + "*>(::simulated::dynamic_shared)";
    at_ = end;
    return true;
  }

  // Up to the parameters: the last name before them is the kernel's.
  void declaration() {
    std::string name;
    bounds_.clear();
    while (skip(), at_ < text_.size() && text_[at_] != ';' && text_[at_] != '{') {
      if (text_[at_] == '(') {
        const std::string inside = parenthesized();
        if (name == "__launch_bounds__")
          bounds_ = inside;
        else if (name != "__attribute__" && name != "__maxnreg__")
          break;
        continue;
      }
      if (!is_word(text_[at_])) {
        emit(1);
        continue;
      }
      name = peek_word();
      emit(name.size());
    }
    skip();
    if (at_ < text_.size() && text_[at_] == '{') kernel_ = name, kernel_depth_ = depth_;
  }

  const std::string& text_;
  std::string result_, kernel_, bounds_;
  size_t at_ = 0;
  int depth_ = 0, kernel_depth_ = 0;
};

}  // namespace

std::string with_registrations(const std::string& text) { return Walk(text).run(); }

}  // namespace simulated
