// Rows that move elements: sorts, the greatest few, transposes, joined parts, sums scattered to places.
#include "tenon/bench/peer_row.h"

namespace tenon::bench {
namespace {

PeerRow ordered(const std::string& name, const std::string& formula, const Extents& shape, Tensor (*f)(const Tensor&)) {
  PeerRow row{name, formula, "{}", [=] { return jitted(f, normal(key(41), shape)); }};
  return row;
}

Tensor sorted(const Tensor& x) { return sort(x, -1); }
Tensor order(const Tensor& x) { return argsort(x, -1); }

// Parts along axis 1 that together are 1024 x 1024.
PeerRow concat_row(int64_t count) {
  PeerRow row{"concat of " + std::to_string(count) + ", 1024x1024", "concat", R"({"axis": 1})", [=] {
                std::vector<Tensor> parts;
                for (const Tensor& k : split(key(42), count)) parts.push_back(normal(k, {1024, 1024 / count}));
                return jitted([](const std::vector<Tensor>& all) { return concat(all, 1); }, parts);
              }};
  row.bytes = 8.0 * 1024 * 1024;
  return row;
}

}  // namespace

void add_movement_rows(PeerRows& rows) {
  rows.push_back(ordered("sort, 1 M", "sort", {1000000}, sorted));
  rows.push_back(ordered("sort, 1024x1024", "sort", {1024, 1024}, sorted));
  rows.push_back(ordered("sort, 65536x16", "sort", {65536, 16}, sorted));
  rows.push_back(ordered("argsort, 1 M", "argsort", {1000000}, order));
  rows.push_back(ordered("argsort, 1024x1024", "argsort", {1024, 1024}, order));
  rows.push_back({"topk of 16, 1024x1024", "topk", R"({"k": 16})", [] {
                    Work work = jitted([](const Tensor& x) { return topk(x, 16, 1); }, normal(key(43), {1024, 1024}));
                    // Peers do not agree on the order of equals.
                    work.result = [all = work.result] { return std::vector<Tensor>{all()[0]}; };
                    return work;
                  }});
  PeerRow turned{"transpose, 1024x1024", "transpose", "{}", [] {
                   return jitted([](const Tensor& x) { return transpose(x, {1, 0}); }, normal(key(44), {1024, 1024}));
                 }};
  turned.bytes = 8.0 * 1024 * 1024;
  rows.push_back(turned);
  for (int64_t count : {2, 8, 64}) rows.push_back(concat_row(count));
  rows.push_back(
      {"scatter_add, 1 M into 10000", "scatter_add", "{}", [] {
         const auto f = [](const Tensor& x, const Tensor& i, const Tensor& u) { return scatter_add(x, i, u); };
         return jitted(f, zeros({10000}), random::randint(key(45), {1000000}, 0, 10000), uniform(key(46), {1000000}));
       }});
}

}  // namespace tenon::bench
