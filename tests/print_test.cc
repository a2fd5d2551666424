// Printing: PyTorch's options, in no locale, reading what is shown and nothing else; and texts of errors that name things as the
// caller does.
#include <gtest/gtest.h>

#include <clocale>
#include <cstring>
#include <locale>
#include <sstream>

#include "tenon/runtime/tenon_runtime.h"
#include "tenon/tenon.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
namespace {

using tenon::testing::message_of;
using tenon::testing::print;
using tn::Tensor;

TEST(Print, OptionsHavePyTorchsNamesAndDefaults) {
  const tn::PrintOptions usual = tn::print_options();
  EXPECT_EQ(usual.threshold, 1000);
  EXPECT_EQ(usual.edge_items, 3);
  EXPECT_EQ(usual.precision, 4);
  EXPECT_EQ(usual.line_width, 80);
  EXPECT_EQ(to_string(tn::arange(0.0, 1.0, 0.3), {.precision = 2}), "tensor([0.00, 0.30, 0.60, 0.90])");
  EXPECT_EQ(to_string(tn::arange(9), {.threshold = 5, .edge_items = 2}), "tensor([0, 1,  ..., 7, 8])");
  EXPECT_EQ(to_string(tn::arange(6), {.line_width = 16}), "tensor([0, 1, 2,\n        3, 4, 5])");
  tn::print_options({.threshold = 4, .edge_items = 1, .precision = 1});
  EXPECT_EQ(print(tn::arange(5) + 0.5), "tensor([0.5,  ..., 4.5])");
  tn::print_options({});
  EXPECT_EQ(print(tn::arange(3) * 0.5), "tensor([0.0000, 0.5000, 1.0000])");
  EXPECT_HAS(message_of([] { tn::print_options({.precision = -1}); }), "print_test.cc:");
  EXPECT_HAS(message_of([] { tn::print_options({.edge_items = 0}); }), "edge_items");
  EXPECT_EQ(to_string(tn::arange(4), {.threshold = 0, .edge_items = INT64_MAX}), "tensor([0, 1, 2, 3])");
}

TEST(Print, SummarisesEveryAxis) {
  const Tensor x = tn::reshape(tn::arange(100 * 100), {100, 100});
  EXPECT_EQ(to_string(x, {.edge_items = 2}),
            "tensor([[   0,    1,  ...,   98,   99],\n        [ 100,  101,  ...,  198,  199],\n        ...,\n"
            "        [9800, 9801,  ..., 9898, 9899],\n        [9900, 9901,  ..., 9998, 9999]])");
}

TEST(Print, ReadsWhatItShows) {
  static const float few[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const Tensor x = tn::from_blob(few, {8}, tn::f32);
  EXPECT_EQ(to_string(x, {.threshold = 1, .edge_items = 1}), "tensor([1.,  ..., 8.])");
  uint64_t before = 0, after = 0;
  const Tensor large = tn::zeros({1 << 24});
  tenon_memory_stats(&before, nullptr);
  EXPECT_EQ(print(large), "tensor([0., 0., 0.,  ..., 0., 0., 0.])");
  tenon_memory_stats(&after, nullptr);
  EXPECT_EQ(before, after);
}

struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Print, KnowsNoLocale) {
  const Tensor x = tn::tensor({1234.5f, 0.25f}), wide = tn::tensor({1234567, 2});
  const auto f = [](const Tensor& t) { return tn::sum(tn::exp(t * 0.1)); };
  struct Rates {
    Tensor x;
    double rate;
  };
  const auto texts = [&] {
    const auto compiled = tn::jit(f).lower(tn::ones({1000, 1000})).compile();
    std::string text = print(x) + print(wide) + compiled.explain() + tn::trace(f, x).ir();
    text += message_of([&] {
      tn::cond(
          tn::tensor(true), [](const Rates& r) { return r; }, [](const Rates& r) { return Rates{r.x, 0.75}; },
          Rates{x, 0.5});
    });
    text += message_of([&] { tn::pad(wide, {{1, 1}}, 1e30); });
    text += message_of([&] { tn::optim::adamw(x, x, tn::optim::adamw_init(x), {.beta1 = 1.5}); });
    text += message_of([&] { tn::ones({12345}) + tn::ones({54321}); });
    return text;
  };
  const std::string plain = texts();
  EXPECT_HAS(plain, "1.2345e+03");
  EXPECT_HAS(plain, "1.5");
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Comma));
  EXPECT_EQ(texts(), plain);
  std::locale::global(before);
  for (const char* name : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) == nullptr) continue;  // not installed
    EXPECT_EQ(texts(), plain) << name;
  }
  std::setlocale(LC_ALL, "C");
  std::ostringstream imbued;
  imbued.imbue(std::locale(std::locale::classic(), new Comma));
  imbued << x << wide;
  EXPECT_EQ(imbued.str(), print(x) + print(wide));
}

TEST(Print, ADonatedTensorNamesItselfAndItsDonor) {
  const Tensor x = tn::ones({3});
  const auto taking = tn::jit([](const Tensor& t) { return t * 2; }, {.donate = {0}});
  taking(x);
  const std::string message = message_of([&] { print(x); });
  EXPECT_HAS(message, "f32[3]");
  EXPECT_HAS(message, "donated at");
  EXPECT_HAS(message, "print_test.cc:");
  EXPECT_EQ(message.find("print.cc"), std::string::npos) << message;
  EXPECT_EQ(message.find("frontend/"), std::string::npos) << message;
}

// Errors between two symbols say both by name.
TEST(Print, SymbolsByTheirNames) {
  const tn::Dim n = tn::dim("height"), m = tn::dim("width");
  const auto said = [&](auto f) {
    return message_of([&] { tn::jit(f).lower(tn::spec({n, 4}, tn::f32), tn::spec({m, 4}, tn::f32)); });
  };
  const std::string texts[] = {
      said([](const Tensor& a, const Tensor& b) { return a + b; }),
      said([](const Tensor& a, const Tensor& b) { return tn::matmul(tn::transpose(a, {1, 0}), b); }),
      said([](const Tensor& a, const Tensor& b) { return tn::einsum("ij,ik->jk", {a, b}); }),
      said([](const Tensor& a, const Tensor& b) { return tn::broadcast_to(a, b.shape()); }),
      said([](const Tensor& a, const Tensor& b) {
        Tensor c = a;
        c[tn::all] = b;
        return c;
      }),
  };
  for (const std::string& text : texts) {
    EXPECT_HAS(text, "height");
    EXPECT_HAS(text, "width");
    EXPECT_EQ(text.find('?'), std::string::npos) << text;
  }
}

}  // namespace
