// Runs Tenon's side of the comparison with PyTorch and NumPy: every call whose number is asked for, on the operands of a file.
// A call that throws leaves its message beside its number; no result of the others depends on it.
// usage: driver OPERANDS RESULTS REFUSALS DTYPE NUMBER...
#include "driver.h"

#include <fstream>
#include <iostream>
#include <set>

namespace tn = tenon;

std::vector<Call>& calls() {
  static std::vector<Call> list;
  return list;
}

int main(int argc, char** argv) try {
  if (argc < 5) return 2;
  std::set<int> asked;
  for (int i = 5; i < argc; ++i) asked.insert(std::stoi(argv[i]));
  std::map<std::string, tn::Tensor> arguments = tn::load_safetensors(argv[1]), out;
  if (std::string(argv[4]) == "bf16")  // NumPy has none: they come as f32
    for (auto& [name, t] : arguments)
      if (t.dtype() == tn::f32) t = t.astype(tn::bf16);
  std::ofstream refusals(argv[3]);
  for (const Call& c : calls()) {
    if (!asked.contains(c.number)) continue;
    try {
      const std::vector<tn::Tensor> found = c.call(arguments);
      for (size_t i = 0; i < found.size(); ++i) out[std::to_string(c.number) + "." + std::to_string(i)] = found[i];
    } catch (const std::exception& e) {
      std::string line = e.what();
      for (char& ch : line)
        if (ch == '\n') ch = ' ';
      refusals << c.number << " " << line << "\n";
    }
  }
  tn::save(argv[2], out);
  return 0;
} catch (const std::exception& e) {
  std::cerr << "driver: " << e.what() << "\n";
  return 1;
}
