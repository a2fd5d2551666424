// The calls of @inputs and @expected and the checks are taken out of @main; the values that they gave become arguments, the values that
// were checked results.
#include "tenon/tests/stablehlo_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/stablehlo/program.h"
#include "tenon/frontend/transform/jit.h"
#include "tenon/ir/base/half.h"

namespace tenon::testing {
namespace {

std::string callee(const hlo::Operation& op) {
  const hlo::Attribute* a = op.attributes.find("callee");
  return a == nullptr ? "" : std::string(a->text);
}

std::vector<Tensor> results_of(hlo::Module& module, const hlo::Function& f) {
  const auto program = hlo::import_function(module, f, {}, {}, nullptr);
  std::vector<ir::Array> captured;
  for (const Tensor& t : program->captured) captured.push_back(array_of(t));
  std::vector<Tensor> results;
  for (const ir::Array& a : ir::interpret(*program->graph, captured))
    results.push_back(copy_from(a.data.data(), Extents(a.type.shape.dims()), a.type.dtype));
  return results;
}

// Numbers that no program minds: small, whole, different from their neighbours.
Tensor made_up(const hlo::TensorType& type, int64_t free_extent) {
  Shape shape;
  for (int64_t n : type.extents) shape.push_back(n < 0 ? free_extent : n);
  if (shape.empty() && is_integer(*type.dtype)) {
    return full({}, static_cast<int64_t>(free_extent), {.dtype = *type.dtype});
  }
  ir::Array numbers(ir::Type{f64, shape});
  for (int64_t i = 0; i < numbers.numel(); ++i)
    numbers.as<double>()[i] =
        is_floating(*type.dtype) ? static_cast<double>((i * 7) % 11 - 4) / 4 : static_cast<double>((i * 5) % 3);
  const ir::Array cast = ir::recast(numbers, *type.dtype);
  return copy_from(cast.data.data(), Extents(shape.dims()), *type.dtype);
}

HloCase open_case(hlo::Module& module, const hlo::Function& entry) {
  HloCase c;
  c.open = true;
  for (const hlo::TensorType& t : entry.argument_types) c.inputs.push_back(made_up(t, 5));
  c.program = hlo::import_for(module, entry, c.inputs, {});
  return c;
}

template <class Bits, class Float>
std::string apart(const ir::Array& expected, const ir::Array& actual, Closeness how, Scale scale,
                  double (*number)(Bits)) {
  const size_t width = sizeof(Bits), count = expected.data.size() / width,
               parts = is_complex(expected.type.dtype) ? 2 : 1;
  const auto size_of = [&](size_t i) {
    Bits bits;
    std::memcpy(&bits, expected.data.data() + i * width, width);
    return std::fabs(number(bits));
  };
  double largest = 0;
  for (size_t i = 0; scale == Scale::largest && i < count; ++i) largest = std::fmax(largest, size_of(i));
  for (size_t i = 0; i < count; ++i) {
    Bits a, b;
    std::memcpy(&a, expected.data.data() + i * width, width);
    std::memcpy(&b, actual.data.data() + i * width, width);
    const double x = number(a), y = number(b);
    if (a == b || (std::isnan(x) && std::isnan(y)) || x == y) continue;
    bool fits = false;
    if (std::isfinite(x) && std::isfinite(y)) {
      const Bits sign = Bits(Bits(1) << (8 * width - 1));
      const Bits m = Bits(a & Bits(~sign)), n = Bits(b & Bits(~sign));
      const Bits steps = (a & sign) != (b & sign) ? Bits(m + n) : Bits(m > n ? m - n : n - m);
      const double unit = sizeof(Bits) == 8 ? 0x1p-52 : sizeof(Bits) == 4 ? 0x1p-23 : 0;
      const size_t first = i - i % parts;
      const double size = scale == Scale::largest ? largest
                          : parts == 2            ? std::fmax(size_of(first), size_of(first + 1))
                                                  : 0;
      if (how != Closeness::equal) {
        const double units = scale == Scale::roughly ? 32 : 3;
        fits = steps <= 3 || std::fabs(x - y) <= units * unit * size;
      }
      if (how == Closeness::almost) fits = fits || std::fabs(x - y) <= 0.001;
    }
    if (!fits) return "element " + std::to_string(i) + " is " + std::to_string(y) + ", not " + std::to_string(x);
  }
  return "";
}

double of_f16(uint16_t bits) { return static_cast<double>(ir::half_to_float(ir::f16_format, bits)); }
double of_bf16(uint16_t bits) { return static_cast<double>(ir::half_to_float(ir::bf16_format, bits)); }
double of_f32(uint32_t bits) { return static_cast<double>(std::bit_cast<float>(bits)); }
double of_f64(uint64_t bits) { return std::bit_cast<double>(bits); }

}  // namespace

ir::Array array_of(const Tensor& t) {
  ir::Array a(ir::Type{t.dtype(), t.shape()});
  if (!a.data.empty()) std::memcpy(a.data.data(), t.raw(), a.data.size());
  return a;
}

std::string distance(const ir::Array& expected, const ir::Array& actual, Closeness how, Scale scale) {
  if (!(expected.type == actual.type))
    return "the result is " + to_string(actual.type) + ", not " + to_string(expected.type);
  const std::string element = std::string(name(expected.type.dtype));
  if (element == "f16") return apart<uint16_t, float>(expected, actual, how, scale, of_f16);
  if (element == "bf16") return apart<uint16_t, float>(expected, actual, how, scale, of_bf16);
  if (element == "f32" || element == "c64") return apart<uint32_t, float>(expected, actual, how, scale, of_f32);
  if (element == "f64" || element == "c128") return apart<uint64_t, double>(expected, actual, how, scale, of_f64);
  return expected.data == actual.data ? "" : "the elements differ";
}

HloCase read_case(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  hlo::Module module = hlo::parse_module(std::make_shared<const hlo::Source>(path, text.str()));
  hlo::Function& entry = const_cast<hlo::Function&>(hlo::entry_of(module));
  const hlo::Function *inputs = module.find("inputs"), *expected = module.find("expected");
  if (inputs == nullptr || expected == nullptr) return open_case(module, entry);

  HloCase c;
  const auto holds = [whole = text.str()](const char* words) { return whole.find(words) != std::string::npos; };
  if (holds("stablehlo.fft ") || (holds("stablehlo.dot_general") && holds("complex<"))) c.scale = Scale::largest;
  if (holds("RUN-DISABLED(inaccurate)")) c.scale = Scale::roughly;
  c.inputs = results_of(module, *inputs);
  const std::vector<Tensor> answers = results_of(module, *expected);
  std::vector<hlo::Operation> kept;
  uint32_t answer = 0;  // the first value of @expected
  std::vector<uint32_t> checked;
  for (hlo::Operation& op : entry.body->operations) {
    const std::string name = callee(op);
    if (op.name == "call" && name == "inputs") {
      for (uint32_t i = 0; i < op.result_count; ++i) entry.body->arguments.push_back(op.first_result + i);
      entry.argument_types = op.result_types;
    } else if (op.name == "call" && name == "expected") {
      answer = op.first_result;
    } else if (name.starts_with("check.")) {
      checked.push_back(op.operands[0]);
      c.expected.push_back(array_of(answers.at(op.operands[1] - answer)));
      c.how.push_back(name == "check.expect_eq"      ? Closeness::equal
                      : name == "check.expect_close" ? Closeness::close
                                                     : Closeness::almost);
    } else {
      kept.push_back(std::move(op));
    }
  }
  kept.back().operands = checked;
  entry.body->operations = std::move(kept);
  std::vector<hlo::Argument> arguments;
  for (const Tensor& t : c.inputs) arguments.push_back({ir::Type{t.dtype(), t.shape()}});
  c.program = hlo::import_function(module, entry, arguments, {}, nullptr);
  return c;
}

}  // namespace tenon::testing
