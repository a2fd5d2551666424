// Contractions against a plain loop over the definition, to the bit: every layout, dtype, edge, epilogue and number of
// threads, extents known when compiled and not, for this machine and for the portable floor. Operands end at an unreadable
// page, results are fenced, and scratch memory starts as NaN, so a stray access or a padding that counts shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "tenon/ir/base/half.h"
#include "tenon/tests/compiled.h"
#include "tenon/tests/fenced.h"

namespace tenon {
namespace {

using testing::Fenced;

struct Problem {
  DType operand = DType::f32;
  char left = 'n', right = 'n';  // t: the operand is stored transposed
  int epilogue = 0;  // 1: relu(sum + bias); 2: sum * row scale, rounded to the operand's dtype
  bool prologue = false;  // the left operand is doubled, the right one has its sign changed
  bool symbolic = false;
  int64_t most = INT64_MAX;  // bound of the symbols of m, n and k
  int64_t batch = 1, m = 1, n = 1, k = 1;
};

DType accumulate(DType t) { return is_half(t) ? DType::f32 : t; }

std::string kernel_text(const Problem& p) {
  const auto extent = [&](int64_t v, const char* symbol) {
    return p.symbolic ? std::string(symbol) : std::to_string(v);
  };
  const std::string b = extent(p.batch, "b"), m = extent(p.m, "m"), n = extent(p.n, "n"), k = extent(p.k, "k");
  const std::string type(name(p.operand)), sum(name(accumulate(p.operand)));
  const bool half = is_half(p.operand);
  std::string text =
      "kernel @contract(%a: in " + type + "[" + b + ", " + (p.left == 'n' ? m + ", " + k : k + ", " + m) +
      "], %b: in " + type + "[" + b + ", " + (p.right == 'n' ? k + ", " + n : n + ", " + k) + "], %bias: in " + sum +
      "[" + n + "], %scale: in " + sum + "[" + m + "], %c: out " + (p.epilogue == 2 ? type : sum) + "[" + b + ", " + m +
      ", " + n + "]) {\n  contract " + sum + " [" + b + ", " + m + ", " + n + ", " + k + "] {\n";
  int next = 0;
  const auto value = [&] { return "%" + std::to_string(next++); };
  const auto operand = [&](const char* side, const char* buffer, bool turned, bool doubled) {
    const std::string batch = value(), outer = value(), inner = value();
    std::string v = value();
    text += std::string("    ") + side + " " + batch + ", " + outer + ", " + inner + " {\n      " + v + " = load %" +
            buffer + "[" + batch + ", " + (turned ? inner + ", " + outer : outer + ", " + inner) + "]\n";
    if (half) {
      const std::string wide = value();
      text += "      " + wide + " = cast f32 " + v + "\n";
      v = wide;
    }
    if (p.prologue) {
      const std::string changed = value();
      text += "      " + changed + (doubled ? " = add " + v + ", " + v : " = neg " + v) + "\n";
      v = changed;
    }
    text += "      yield " + v + "\n    }\n";
  };
  operand("lhs", "a", p.left == 't', true);
  operand("rhs", "b", p.right == 't', false);
  const std::string batch = value(), i = value(), j = value();
  std::string acc = value();
  text += "    epilogue " + batch + ", " + i + ", " + j + ", " + acc + " {\n";
  const auto line = [&](const std::string& what) {
    acc = value();
    text += "      " + acc + " = " + what + "\n";
  };
  if (p.epilogue == 1) {
    const std::string before = acc;
    line("load %bias[" + j + "]");
    line("add " + before + ", " + acc);
    line("max " + acc + ", " + (sum == "i64" ? "0" : sum + " 0"));
  } else if (p.epilogue == 2) {
    const std::string before = acc;
    line("load %scale[" + i + "]");
    line("mul " + before + ", " + acc);
    if (half) line("cast " + type + " " + acc);
  }
  text += "      store %c[" + batch + ", " + i + ", " + j + "], " + acc + "\n    }\n  }\n}\n";
  return text;
}

template <class T>
T fused(T x, T y, T sum) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fma(x, y, sum);
  else
    return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y) + static_cast<uint64_t>(sum));
}
template <class T>
T plus(T x, T y) {
  if constexpr (std::is_floating_point_v<T>)
    return x + y;
  else
    return static_cast<T>(static_cast<uint64_t>(x) + static_cast<uint64_t>(y));
}

template <class T>
T chain(const T* x, int64_t x_step, const T* y, int64_t y_step, int64_t k) {
  std::vector<T> parts;
  T sum{};
  for (int64_t q = 0; q < k; ++q) {
    if (q > 0 && q % 4096 == 0) parts.push_back(sum), sum = T{};
    sum = fused(x[q * x_step], y[q * y_step], sum);
  }
  parts.push_back(sum);
  while (parts.size() > 1) {
    std::vector<T> joined;
    for (size_t q = 0; q + 1 < parts.size(); q += 2) joined.push_back(plus(parts[q], parts[q + 1]));
    if (parts.size() % 2) joined.push_back(parts.back());
    parts = joined;
  }
  return parts[0];
}

template <class T>
std::vector<T> values(const Fenced& memory, DType t, bool doubled, bool negated) {
  const size_t count = memory.bytes() / static_cast<size_t>(bytes(t));
  std::vector<T> result(count);
  for (size_t e = 0; e < count; ++e) {
    if (t == DType::f16 || t == DType::bf16)
      result[e] = static_cast<T>(
          ir::half_to_float(t == DType::f16 ? ir::f16_format : ir::bf16_format, memory.as<uint16_t>()[e]));
    else
      result[e] = memory.as<T>()[e];
    if (doubled) result[e] = plus(result[e], result[e]);
    if (negated)
      result[e] = std::is_floating_point_v<T> ? -result[e] : static_cast<T>(0 - static_cast<uint64_t>(result[e]));
  }
  return result;
}

template <class T>
void randomise(const Fenced& memory, DType t, std::mt19937& random) {
  const size_t count = memory.bytes() / static_cast<size_t>(bytes(t));
  std::uniform_real_distribution<float> real(-1.f, 1.f);
  for (size_t e = 0; e < count; ++e) {
    if (t == DType::f16 || t == DType::bf16)
      memory.as<uint16_t>()[e] = ir::half_from_double(t == DType::f16 ? ir::f16_format : ir::bf16_format, real(random));
    else if constexpr (std::is_floating_point_v<T>)
      memory.as<T>()[e] = static_cast<T>(real(random));
    else
      memory.as<T>()[e] = static_cast<T>(random());
  }
}

class Contraction {
 public:
  explicit Contraction(const Problem& p, const Target& target = codegen::host_target())
      : problem_(p), compiled_(testing::program_of(kernel_of(p)), target) {}
  static ir::Kernel kernel_of(const Problem& p) {
    ir::Kernel kernel = ir::parse_kernel(kernel_text(p));
    if (!p.symbolic) return kernel;
    kernel.symbols = std::make_shared<Symbols>();  // bounded, in the order in which the text names them
    kernel.symbols->add("b");
    for (const char* name : {p.left == 'n' ? "m" : "k", p.left == 'n' ? "k" : "m", "n"})
      kernel.symbols->add(name, 0, p.most);
    return kernel;
  }
  int64_t arena_bytes(const std::vector<int64_t>& dims) const { return compiled_.linked().arena_bytes(dims.data()); }

  // Runs at the given extents on 1 and on 2 threads, and compares every bit.
  void check(int64_t batch, int64_t m, int64_t n, int64_t k) {
    switch (accumulate(problem_.operand)) {
      case DType::f64: return check_as<double>(batch, m, n, k);
      case DType::i8: return check_as<int8_t>(batch, m, n, k);
      case DType::u16: return check_as<uint16_t>(batch, m, n, k);
      case DType::i32: return check_as<int32_t>(batch, m, n, k);
      case DType::i64: return check_as<int64_t>(batch, m, n, k);
      default: return check_as<float>(batch, m, n, k);
    }
  }
  void check() { check(problem_.batch, problem_.m, problem_.n, problem_.k); }

 private:
  template <class T>
  void check_as(int64_t batch, int64_t m, int64_t n, int64_t k) {
    const Problem& p = problem_;
    const DType type = p.operand, sum = accumulate(type), out = p.epilogue == 2 ? type : sum;
    const auto size = [&](int64_t count, DType t) { return static_cast<size_t>(count * bytes(t)); };
    Fenced a(size(batch * m * k, type)), b(size(batch * k * n, type)), bias(size(n, sum)), scale(size(m, sum));
    std::mt19937 random(static_cast<unsigned>(m * 31 + n * 7 + k));
    randomise<T>(a, type, random);
    randomise<T>(b, type, random);
    randomise<T>(bias, sum, random);
    randomise<T>(scale, sum, random);
    const std::vector<T> x = values<T>(a, type, p.prologue, false), y = values<T>(b, type, false, p.prologue);
    std::vector<char> expected(size(batch * m * n, out));
    for (int64_t e = 0; e < batch * m * n; ++e) {
      const int64_t j = e % n, i = e / n % m, g = e / n / m;
      const T* row = x.data() + g * m * k + (p.left == 'n' ? i * k : i);
      const T* column = y.data() + g * k * n + (p.right == 'n' ? j : j * k);
      T v = chain<T>(row, p.left == 'n' ? 1 : m, column, p.right == 'n' ? n : 1, k);
      if (p.epilogue == 1) v = std::max(plus(v, bias.as<T>()[j]), T{});
      if (p.epilogue == 2) {
        if constexpr (std::is_floating_point_v<T>)
          v *= scale.as<T>()[i];
        else
          v = fused(v, scale.as<T>()[i], T{});
      }
      if (is_half(out)) {
        const uint16_t h =
            ir::half_from_double(out == DType::f16 ? ir::f16_format : ir::bf16_format, static_cast<double>(v));
        std::memcpy(&expected[2 * e], &h, 2);
      } else {
        std::memcpy(&expected[static_cast<size_t>(e) * sizeof v], &v, sizeof v);
      }
    }
    for (int threads : {1, 2}) {
      Fenced c(expected.size());
      ASSERT_EQ(0, run(a, b, bias, scale, c, {batch, m, n, k}, threads));
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), c.as<char>()))
          << name(type) << " " << p.left << p.right << " epilogue " << p.epilogue
          << (p.symbolic ? " symbolic " : " static ") << batch << " x " << m << " x " << n << " x " << k << " on "
          << threads << " threads: first difference at byte "
          << std::mismatch(expected.begin(), expected.end(), c.as<char>()).first - expected.begin();
      ASSERT_TRUE(c.intact());
    }
  }

  int32_t run(const Fenced& a, const Fenced& b, const Fenced& bias, const Fenced& scale, const Fenced& c,
              std::vector<int64_t> extents, int threads) {
    // Symbols are numbered in the order in which the text names them.
    std::vector<int64_t> dims{extents[0]};
    if (problem_.left == 'n')
      dims.insert(dims.end(), {extents[1], extents[3]});
    else
      dims.insert(dims.end(), {extents[3], extents[1]});
    dims.push_back(extents[2]);
    const int64_t bytes = compiled_.linked().arena_bytes(dims.data());
    void* arena = bytes ? tenon_alloc(static_cast<uint64_t>(bytes)) : nullptr;
    if (bytes) std::memset(arena, 0xff, static_cast<size_t>(bytes));
    const void* inputs[] = {a.as<void>(), b.as<void>(), bias.as<void>(), scale.as<void>()};
    void* outputs[] = {c.as<void>()};
    tenon_call call{};
    call.struct_size = sizeof call;
    call.inputs = inputs;
    call.outputs = outputs;
    call.arena = arena;
    call.dims = dims.data();
    call.env = tenon_runtime_env();
    tenon_runtime_set_threads(threads);
    const int32_t code = compiled_.linked().entry(&call);
    tenon_runtime_set_threads(0);
    if (bytes) tenon_free(arena, static_cast<uint64_t>(bytes));
    return code;
  }

  Problem problem_;
  testing::Compiled compiled_;
};

constexpr DType operand_types[] = {DType::f32, DType::f64, DType::f16, DType::bf16,
                                   DType::i32, DType::i8,  DType::u16, DType::i64};
constexpr const char* layouts[] = {"nn", "nt", "tn", "tt"};

Problem problem(DType t, const char* layout, int epilogue = 0) {
  Problem p;
  p.operand = t;
  p.left = layout[0];
  p.right = layout[1];
  p.epilogue = epilogue;
  return p;
}

TEST(Contract, RunTimeExtentsInEveryLayoutAndDtype) {
  for (DType t : operand_types)
    for (const char* layout : layouts) {
      Problem p = problem(t, layout);
      p.symbolic = true;
      Contraction c(p);
      for (int64_t s = 1; s <= 67; s += 3) c.check(1, s, (s * 5) % 67 + 1, (s * 11) % 67 + 1);
      c.check(3, 7, 70, 19);
      c.check(2, 130, 131, 64);
    }
}

TEST(Contract, PortableCodeGivesTheSameBits) {
  for (DType t : {DType::f32, DType::bf16})
    for (const char* layout : layouts) {
      Problem p = problem(t, layout, 2);
      p.symbolic = true;
      Contraction c(p, Target::portable());
      for (int64_t s = 1; s <= 67; s += 11) c.check(2, s, (s * 5) % 67 + 1, (s * 11) % 67 + 1);
      c.check(1, 63, 33, 700);
    }
}

TEST(Contract, ExtentsKnownWhenCompiled) {
  const int64_t shapes[][4] = {{1, 1, 1, 1},      {1, 1, 200, 300}, {1, 3, 129, 65},   {1, 8, 8, 8},
                               {2, 13, 64, 31},   {1, 64, 64, 64},  {1, 67, 10, 67},   {1, 128, 10, 512},
                               {1, 70, 200, 100}, {4, 5, 6, 7},     {1, 300, 65, 530}, {1, 257, 128, 48},
                               {1, 1, 520, 1101}, {1, 2, 140, 8200}};  // two past a large right operand
  int turn = 0;
  for (const auto& s : shapes)
    for (const char* layout : layouts) {
      Problem p = problem(turn % 3 == 2 ? DType::f64 : DType::f32, layout, turn % 2);
      p.batch = s[0], p.m = s[1], p.n = s[2], p.k = s[3], ++turn;
      Contraction(p).check();
    }
}

TEST(Contract, SegmentsJoinByThePairwiseTree) {
  for (const char* layout : layouts) {
    Problem p = problem(DType::f32, layout, 1);
    p.symbolic = true;
    Contraction c(p);
    for (int64_t k : {4095, 4096, 4097, 8192, 9000, 12289, 29000}) c.check(1, 9, 19, k);
    c.check(1, 62, 70, 12300);
    p.symbolic = false;
    p.m = 14, p.n = 77, p.k = 4096 * 6 + 5;
    Contraction(p).check();
    p.operand = DType::f64, p.m = 3;
    Contraction(p).check();
    p.operand = DType::i32, p.epilogue = 0;  // integers wrap to the same sum in any order
    Contraction(p).check();
    p.m = 40, p.n = 21, p.k = 9000;
    Contraction(p).check();
  }
}

TEST(Contract, ProloguesAndEpiloguesInEveryDtype) {
  for (DType t : operand_types)
    for (int epilogue : {1, 2}) {
      Problem p = problem(t, epilogue == 1 ? "nt" : "tn", epilogue);
      p.prologue = true;
      p.symbolic = true;
      Contraction c(p);
      c.check(2, 33, 67, 21);
      c.check(1, 5, 17, 600);
      p.symbolic = false;
      p.m = 50, p.n = 35, p.k = 66;
      Contraction(p).check();
    }
}

TEST(Contract, BoundsOfExtentsBoundScratchMemory) {
  for (DType t : {DType::f32, DType::bf16})
    for (const char* layout : {"nn", "tt"})
      for (const int64_t most : {5, 24, 70, 200, 5000}) {
        Problem p = problem(t, layout, 1);
        p.symbolic = true;
        const Contraction unbounded(p);
        p.most = most;
        Contraction c(p);
        c.check(2, 1, 2, 3);
        c.check(1, most > 300 ? 41 : most, std::min<int64_t>(most, 70), most);
        const int64_t bytes = c.arena_bytes({1, 1, 1, 1});
        EXPECT_LE(bytes, unbounded.arena_bytes({1, 1, 1, 1}));
        if (most <= 24) {
          EXPECT_EQ(bytes, 0) << "as small as what is not packed";
        } else if (most <= 200) {
          Problem known = p;
          known.symbolic = false;
          known.m = known.n = known.k = most;
          const int64_t wanted = Contraction(known).arena_bytes({});
          EXPECT_LE(bytes, wanted) << "what extents of " << most << " take";
          const ir::Program program = testing::program_of(Contraction::kernel_of(known));
          EXPECT_EQ(codegen::arena_bytes(program, codegen::host_target()), wanted) << "as the manifest says";
        }
      }
}

TEST(Contract, EmptyExtents) {
  Problem p = problem(DType::f32, "nn", 1);
  p.symbolic = true;
  Contraction c(p);
  c.check(1, 5, 40, 0);  // empty sums: the epilogue of +0
  c.check(1, 0, 40, 3);
  c.check(1, 5, 0, 3);
  c.check(0, 5, 4, 3);
  p.symbolic = false;
  p.m = 70, p.n = 70, p.k = 0;
  Contraction(p).check();
}

TEST(Contract, ManyBlocksOnTwoThreads) {
  for (const char* layout : layouts) {
    Problem p = problem(DType::f32, layout, 1);
    p.symbolic = true;
    Contraction c(p);
    c.check(1, 271, 390, 541);
    p.symbolic = false;
    p.m = 260, p.k = 1030;
    for (const int64_t n : {192, 190}) {  // read where it lies, and packed
      p.n = n;
      for (const bool prologue : {false, true}) p.prologue = prologue, Contraction(p).check();
    }
    p.prologue = false;
    p.m = 75, p.n = 32, p.k = 4096 + 300;  // two segments, the right operand where it lies
    Contraction(p).check();
  }
}

}  // namespace
}  // namespace tenon
