// Collectives in a test: a request with the elements of every rank of a group, what each must get (by plain loops over whole rows, level
// by level of the tree), and a simulated world of threads that runs one function a rank.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "tenon/ir/base/half.h"
#include "tenon/runtime/tenon_ranks.h"

namespace tenon::testing {

using Bytes = std::vector<unsigned char>;

inline const char* const kind_names[] = {"all_reduce", "all_gather", "reduce_scatter", "all_to_all",
                                         "permute",    "broadcast",  "exchange",       "barrier"};
inline constexpr int dtype_count = 13;
inline constexpr size_t dtype_bytes[dtype_count] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};

// What a whole group is asked for.
struct GroupRequest {
  int kind = TENON_ALL_REDUCE, combine = TENON_SUM, dtype = 11;
  int size = 1, stride = 1, root = 0;
  int64_t count = 0;
  std::vector<int32_t> pairs;
  std::vector<int32_t> to, from;  // of an exchange, by number
  bool several_in() const { return kind == TENON_REDUCE_SCATTER || kind == TENON_ALL_TO_ALL; }
  bool several_out() const { return kind == TENON_ALL_GATHER || kind == TENON_ALL_TO_ALL; }
  size_t block() const { return kind == TENON_BARRIER ? 0 : static_cast<size_t>(count) * dtype_bytes[dtype]; }
  size_t in_bytes() const { return block() * (several_in() ? size : 1); }
  size_t out_bytes() const { return block() * (several_out() ? size : 1); }
  std::string name() const {
    return std::string(kind_names[kind]) + " combine " + std::to_string(combine) + " dtype " + std::to_string(dtype) +
           " size " + std::to_string(size) + " stride " + std::to_string(stride) + " count " + std::to_string(count);
  }
  tenon_collective of(int number, const char* where = "a test", uint64_t digest = 7) const {
    tenon_collective c = {};
    c.struct_size = sizeof c;
    c.kind = kind, c.combine = combine, c.dtype = dtype;
    c.size = size, c.stride = stride, c.root = root;
    c.to = to.empty() ? -1 : to[static_cast<size_t>(number)];
    c.from = from.empty() ? -1 : from[static_cast<size_t>(number)];
    c.count = count;
    c.pairs = pairs.data();
    c.pair_count = static_cast<int64_t>(pairs.size() / 2);
    c.digest = digest;
    c.where = where;
    return c;
  }
};

// ---- what must come out -----------------------------------------------------------------------------------------------

template <class T>
T joined(int combine, T x, T y) {
  if constexpr (std::is_same_v<T, bool>) return combine == TENON_SUM || combine == TENON_MAX ? x || y : x && y;
  if constexpr (std::is_floating_point_v<T>) {
    if (combine == TENON_SUM) return x + y;
    if (combine == TENON_PROD) return x * y;
    if (x != x || y != y) return std::numeric_limits<T>::quiet_NaN();
    if (x == y) return std::signbit(x) == (combine == TENON_MIN) ? x : y;
  } else if (combine == TENON_SUM || combine == TENON_PROD) {
    const uint64_t a = static_cast<uint64_t>(x), b = static_cast<uint64_t>(y);
    return static_cast<T>(combine == TENON_SUM ? a + b : a * b);
  }
  return combine == TENON_MIN ? std::min(x, y) : std::max(x, y);
}

// Rows are stored as S and joined as T.
template <class T, class S = T, class Widen, class Narrow>
Bytes tree(int combine, const std::vector<const unsigned char*>& rows, int64_t count, Widen widen, Narrow narrow) {
  const size_t n = static_cast<size_t>(count);
  std::vector<std::unique_ptr<T[]>> level;
  for (const unsigned char* row : rows) {
    level.push_back(std::make_unique<T[]>(n));
    for (size_t e = 0; e < n; ++e) {
      S stored;
      std::memcpy(&stored, row + e * sizeof(S), sizeof stored);
      level.back()[e] = widen(stored);
    }
  }
  while (level.size() > 1) {
    std::vector<std::unique_ptr<T[]>> next;
    for (size_t k = 0; k + 1 < level.size(); k += 2) {
      for (size_t e = 0; e < n; ++e) level[k][e] = joined<T>(combine, level[k][e], level[k + 1][e]);
      next.push_back(std::move(level[k]));
    }
    if (level.size() % 2) next.push_back(std::move(level.back()));
    level = std::move(next);
  }
  Bytes out(n * sizeof(S));
  for (size_t e = 0; e < n; ++e) {
    const S stored = narrow(level[0][e]);
    std::memcpy(out.data() + e * sizeof(S), &stored, sizeof stored);
  }
  return out;
}

template <class T>
Bytes tree_of(int combine, const std::vector<const unsigned char*>& rows, int64_t count) {
  const auto same = [](T x) { return x; };
  return tree<T>(combine, rows, count, same, same);
}

inline Bytes tree_of_halves(int combine, const std::vector<const unsigned char*>& rows, int64_t count,
                            ir::HalfFormat format) {
  return tree<float, uint16_t>(
      combine, rows, count, [=](uint16_t h) { return ir::half_to_float(format, h); },
      [=](float x) { return ir::half_from_double(format, x); });
}

inline Bytes joined_rows(int dtype, int combine, const std::vector<const unsigned char*>& rows, int64_t count) {
  switch (dtype) {
    case 0:
      return tree<bool, uint8_t>(
          combine, rows, count, [](uint8_t x) { return x != 0; }, [](bool x) { return uint8_t{x}; });
    case 1: return tree_of<int8_t>(combine, rows, count);
    case 2: return tree_of<int16_t>(combine, rows, count);
    case 3: return tree_of<int32_t>(combine, rows, count);
    case 4: return tree_of<int64_t>(combine, rows, count);
    case 5: return tree_of<uint8_t>(combine, rows, count);
    case 6: return tree_of<uint16_t>(combine, rows, count);
    case 7: return tree_of<uint32_t>(combine, rows, count);
    case 8: return tree_of<uint64_t>(combine, rows, count);
    case 9: return tree_of_halves(combine, rows, count, ir::f16_format);
    case 10: return tree_of_halves(combine, rows, count, ir::bf16_format);
    case 11: return tree_of<float>(combine, rows, count);
    default: return tree_of<double>(combine, rows, count);
  }
}

// What each rank of the group gets, by number, from what each has.
inline std::vector<Bytes> expected(const GroupRequest& r, const std::vector<Bytes>& in) {
  const size_t block = r.block();
  std::vector<Bytes> out(in.size());
  Bytes all;
  for (const Bytes& one : in) all.insert(all.end(), one.begin(), one.end());
  for (int k = 0; k < r.size; ++k) {
    Bytes& mine = out[static_cast<size_t>(k)];
    const auto from_rank = [&](int other) { mine = other < 0 ? Bytes(block) : in[static_cast<size_t>(other)]; };
    const size_t offset = static_cast<size_t>(k) * block;
    int from = -1;
    switch (r.kind) {
      case TENON_ALL_REDUCE:
      case TENON_REDUCE_SCATTER: {
        if (r.kind == TENON_ALL_REDUCE && k > 0) {
          mine = out[0];
          break;
        }
        std::vector<const unsigned char*> rows;
        for (const Bytes& one : in) rows.push_back(one.data() + (r.kind == TENON_REDUCE_SCATTER ? offset : 0));
        mine = joined_rows(r.dtype, r.combine, rows, r.count);
        break;
      }
      case TENON_ALL_GATHER: mine = all; break;
      case TENON_ALL_TO_ALL:
        for (const Bytes& one : in) mine.insert(mine.end(), one.begin() + offset, one.begin() + offset + block);
        break;
      case TENON_PERMUTE:
        for (size_t p = 0; p + 1 < r.pairs.size(); p += 2)
          if (r.pairs[p + 1] == k) from = r.pairs[p];
        from_rank(from);
        break;
      case TENON_BROADCAST: from_rank(r.root); break;
      case TENON_EXCHANGE: from_rank(r.from[static_cast<size_t>(k)]); break;
      default: break;
    }
  }
  return out;
}

// NaNs count as one value.
inline bool same_elements(int dtype, const Bytes& a, const Bytes& b) {
  if (a == b) return true;
  if (a.size() != b.size() || dtype < 9) return false;
  const size_t size = dtype_bytes[dtype];
  for (size_t k = 0; k < a.size(); k += size) {
    if (std::memcmp(&a[k], &b[k], size) == 0) continue;
    uint64_t x = 0, y = 0;
    std::memcpy(&x, &a[k], size);
    std::memcpy(&y, &b[k], size);
    const uint64_t magnitude = (uint64_t{1} << (8 * size - 1)) - 1;
    const uint64_t infinity = dtype == 9    ? 0x7c00
                              : dtype == 10 ? 0x7f80
                              : dtype == 11 ? 0x7f800000
                                            : 0x7ff0000000000000;
    if ((x & magnitude) <= infinity || (y & magnitude) <= infinity) return false;
  }
  return true;
}

// ---- random requests --------------------------------------------------------------------------------------------------

// Any bits are an element, NaNs, infinities and subnormals among them; some are made small, so that ties and -0 meet.
inline Bytes random_elements(int dtype, size_t bytes, std::mt19937_64& draw) {
  Bytes out(bytes);
  for (size_t k = 0; k < bytes; ++k) out[k] = static_cast<unsigned char>(dtype == 0 ? draw() & 1 : draw());
  const size_t size = dtype_bytes[dtype];
  for (size_t k = 0; dtype >= 9 && k + size <= bytes; k += size) {
    const uint64_t kind = draw() % 8;
    if (kind < 2) std::memset(&out[k], 0, size - 1), out[k + size - 1] = kind == 0 ? 0x80 : 0;  // zeros
    if (kind > 3) {  // an exponent near that of 1
      const unsigned char high = static_cast<unsigned char>(out[k + size - 1] & 0x80);
      if (dtype == 9) out[k + 1] = static_cast<unsigned char>(high | 0x38 | (out[k + 1] & 7));
      if (dtype == 10 || dtype == 11) out[k + size - 1] = high | 0x3f;
      if (dtype == 12) out[k + 7] = high | 0x3f, out[k + 6] |= 0xe0;
    }
  }
  return out;
}

inline void draw_partners(GroupRequest& r, std::mt19937_64& draw) {
  std::vector<int32_t> order(static_cast<size_t>(r.size));
  for (int k = 0; k < r.size; ++k) order[static_cast<size_t>(k)] = k;
  std::shuffle(order.begin(), order.end(), draw);
  r.to.assign(order.size(), -1);
  r.from.assign(order.size(), -1);
  r.pairs.clear();
  for (int k = 0; k < r.size; ++k) {
    if (draw() % 4 == 0) continue;
    const int32_t to = order[static_cast<size_t>(k)];
    r.pairs.insert(r.pairs.end(), {k, to});
    r.to[static_cast<size_t>(k)] = to;
    r.from[static_cast<size_t>(to)] = k;
  }
  r.root = static_cast<int>(draw() % static_cast<uint64_t>(r.size));
}

// ---- a world ----------------------------------------------------------------------------------------------------------

// Runs one function a rank, each in its thread, which leaves at the end; over a network where one is given that can be.
inline void simulate(int size, const std::function<void(const tenon_ranks*)>& f,
                     const tenon_network* network = nullptr) {
  const std::unique_ptr<tenon_simulated, void (*)(tenon_simulated*)> world(tenon_simulated_open(size),
                                                                           tenon_simulated_close);
  if (network != nullptr && tenon_simulated_network(world.get(), network) != 0) return;
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r)
    threads.emplace_back([&, r] {
      const tenon_ranks* ranks = tenon_simulated_rank(world.get(), r);
      f(ranks);
      ranks->leave(ranks->world);
    });
  for (std::thread& t : threads) t.join();
}

inline int number_in_group(const GroupRequest& r, int rank) { return rank / r.stride % r.size; }

// A test that hangs ends the process.
struct Deadline {
  explicit Deadline(unsigned seconds) { alarm(seconds); }
  ~Deadline() { alarm(0); }
};

}  // namespace tenon::testing
