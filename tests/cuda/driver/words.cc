// Plain scanning of the words, and the counts of calls.
#include "tenon/tests/cuda/driver/words.h"

#include <cstdlib>
#include <cstring>
#include <vector>

namespace simulated {
namespace {

struct Plan {
  std::string function;
  int when = 0, code = 0, seen = 0;
};

struct Words {
  std::string text;
  bool read = false;
  std::vector<Plan> fail, sticky;
  std::map<std::string, uint64_t> calls;
};
Words& words() {
  static auto* const w = new Words;
  return *w;
}

const char* value_of(const char* name) { return value_in("SIMULATED_CUDA", name); }

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<Plan> plans(const char* name) {
  std::vector<Plan> all;
  for (const std::string& one : split(text_of(name), ',')) {
    const std::vector<std::string> parts = split(one, ':');
    if (parts.size() == 3) all.push_back({parts[0], std::atoi(parts[1].c_str()), std::atoi(parts[2].c_str()), 0});
  }
  return all;
}

bool names(const std::string& said, const std::string& function) {
  return said == function || said + "_v2" == function;
}

int planned(std::vector<Plan>& plans, const std::string& function) {
  int code = 0;
  for (Plan& p : plans)
    if (names(p.function, function) && (++p.seen == p.when || p.when == 0) && code == 0) code = p.code;
  return code;
}

}  // namespace

const char* value_in(const char* variable, const char* name) {
  const char* text = std::getenv(variable);
  const size_t length = std::strlen(name);
  while (text && *text) {
    if (std::strncmp(text, name, length) == 0 && text[length] == '=') return text + length + 1;
    text = std::strchr(text, ' ');
    if (text) ++text;
  }
  return nullptr;
}

int word(const char* name, int otherwise) {
  const char* value = value_of(name);
  return value ? std::atoi(value) : otherwise;
}

std::string text_of(const char* name) {
  const char* value = value_of(name);
  return value ? std::string(value, std::strcspn(value, " ")) : "";
}

Manner manner() {
  Manner m;
  const std::string order = text_of("order");
  m.order = order == "reverse" ? Order::reverse : order == "random" ? Order::random : Order::forward;
  m.seed = static_cast<uint64_t>(word("seed", 1));
  m.late = word("late", 1) != 0;
  return m;
}

bool is_missing(const std::string& function) {
  for (const std::string& one : split(text_of("missing"), ','))
    if (names(one, function)) return true;
  return false;
}

Injected called(const char* function) {
  Words& w = words();
  ++w.calls[function];
  const char* text = std::getenv("SIMULATED_CUDA");
  if (!w.read || w.text != (text ? text : "")) {
    w.read = true;
    w.text = text ? text : "";
    w.fail = plans("fail");
    w.sticky = plans("sticky");
  }
  return {planned(w.fail, function), planned(w.sticky, function)};
}

void forget_calls() {
  words().calls.clear();
  words().read = false;
}

const std::map<std::string, uint64_t>& calls() { return words().calls; }

}  // namespace simulated
