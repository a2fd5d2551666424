// What the sources that bench/peers/driver.py writes hand to driver.cc: calls by number.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <tenon/tenon.h>

struct Call {
  int number;
  std::vector<tenon::Tensor> (*call)(const std::map<std::string, tenon::Tensor>& arguments);
};
std::vector<Call>& calls();
struct Family {
  explicit Family(std::vector<Call> list) { calls().insert(calls().end(), list.begin(), list.end()); }
};

template <class T>
std::vector<tenon::Tensor> results(const T& tree) {
  std::vector<tenon::Tensor> list = tenon::tree::leaves(tree);
#if __has_include("tenon/frontend/ops/complex.h")  // as pairs of real numbers: the files know no others
  for (tenon::Tensor& t : list)
    if (tenon::is_complex(t)) t = tenon::view_as_real(t);
#endif
  return list;
}
