// A row of `./dev bench --peers`: a function of Tenon's, and the name under which the peers know the same computation
// (bench/peers/rows/). Refuses two rows of one name (tests/peer_rows_test.cc).
#pragma once

#include <tenon/tenon.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tenon::bench {

// What a row's preparation gives. The first run compiles.
struct Work {
  std::vector<Tensor> inputs;  // what the peers compute from
  std::function<void()> run;
  std::function<std::vector<Tensor>()> result = {};  // the first of what the peers must give; none: not compared
  std::function<void()> loop = {};  // the same by hand in C++, the ceiling where it is there
};

struct PeerRow {
  std::string name;
  std::string formula;
  std::string arguments = "{}";  // of the formula, as JSON
  std::function<Work()> prepare;
  double flops = 0;  // of one run: bounded by the peak of multiply-adds
  double bytes = 0;  // read and written by one run: bounded by a copy with non-temporal stores
  double tolerance = 1e-5;  // of the largest difference over the largest magnitude
  std::string check = {};  // arguments under which results are compared, where those of the row give chaos
};

// f over x... jitted: what most rows are.
template <class F, class... T>
Work jitted(F f, const T&... x) {
  auto compiled = jit(f);
  return {tree::leaves(std::make_tuple(x...)), [=] { compiled(x...); }, [=] { return tree::leaves(compiled(x...)); }};
}

// Every row, in the order of the table.
std::vector<PeerRow> peer_rows();

using PeerRows = std::vector<PeerRow>;
void add_elementwise_rows(PeerRows& rows);
void add_reduction_rows(PeerRows& rows);
void add_contraction_rows(PeerRows& rows);
void add_convolution_rows(PeerRows& rows);
void add_movement_rows(PeerRows& rows);
void add_gradient_rows(PeerRows& rows);
void add_model_rows(PeerRows& rows);
void add_latency_rows(PeerRows& rows);

}  // namespace tenon::bench
