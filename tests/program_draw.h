// What drawing a program takes: randomness, extents, a pool of values, and a value of any type when one is needed. The parts
// that draw stand one idea a file: program_steps.cc (op by op), program_shapes.cc and program_layers.cc (whole programs in
// small), program_control.cc (loops and branches whose bodies are drawn in turn).
#pragma once

#include <initializer_list>

#include "tenon/ir/graph/build.h"
#include "tenon/tests/random_program.h"

namespace tenon::testing {

// What a program and all its bodies share.
struct Setting {
  Random random;
  std::shared_ptr<Symbols> symbols = std::make_shared<Symbols>();
  std::vector<Dim> named;  // the free symbols
  std::vector<std::vector<int64_t>> runs;  // their values, one row a run
  std::vector<Recipe> recipes;
  int64_t most_elements = 3000;  // of one value, at the greatest run
  int64_t most_work = 2000000;  // multiplications of one contraction
  bool doubles = false;  // every float is f64: derivatives can be held against each other
  bool large = false;  // extents that take threads, blocks and partial results
  int64_t trips = 1;  // of the loops around what is being drawn: loops inside loops stay bounded
};

class Draw {
 public:
  explicit Draw(Setting& setting);  // a whole program
  Draw(Draw& outer, const std::vector<ir::Type>& inputs);  // a body: closed, so what it lacks is made of constants

  uint64_t below(uint64_t n) { return n == 0 ? 0 : s.random() % n; }
  bool chance(uint64_t one_in) { return below(one_in) == 0; }
  int64_t pick(std::initializer_list<int64_t> choices) { return choices.begin()[below(choices.size())]; }

  DType dtype();
  DType floating();
  DType numeric();
  Dim extent();
  Shape shape(int least = 0, int most = 5);
  int64_t elements(const Shape& shape) const;  // the most over the runs; too many to count: INT64_MAX
  int64_t least(Dim extent) const;  // over the runs
  bool fits(const Shape& shape) const { return elements(shape) <= s.most_elements; }
  bool fits_work(const Shape& results, const Shape& reduced) const;

  ir::Value any();
  ir::Value any_of(DTypeSet dtypes, int least_rank = 0);  // absent where none is
  ir::Value fresh(DType t, const Shape& shape);
  ir::Value fresh(DType t, const Shape& shape, Filling filling);
  // A value of this type: one that is there, one made to fit, or an input. By value: the graph grows.
  ir::Value of_type(DType t, Shape shape);
  ir::Value small_number(DType t, const Shape& shape);  // 0, 1, 2, 4 of any dtype
  ir::Value stretch(ir::Value x,
                    const Shape& shape);  // a value over the leading or trailing axes of a shape, or equal to it
  ir::Value tame(ir::Value x, ir::Domain domain);  // x moved into a row's domain, so that not everything ends as NaN
  ir::Value along(ir::Op reduction, ir::Value x, const std::vector<int64_t>& axes);  // reduced, then stretched back
  std::vector<int64_t> some_axes(const Shape& shape, uint64_t one_in);
  std::vector<int64_t> other_axes(const Shape& shape, const std::vector<int64_t>& axes);

  void keep(ir::Value v);
  void show(ir::Value v);  // keep, and perhaps make it a result of the program: it is stored, and may be read again
  void keep(const std::vector<ir::Value>& values);
  std::vector<ir::Value> emit(ir::Op op, std::vector<ir::Value> operands, ir::Attrs attrs = {});

  Setting& s;
  ir::GraphBuilder b;
  std::vector<ir::Value> pool, shown;
  const int depth;
};

void draw_step(Draw& d);  // one op, and perhaps what belongs to it
void draw_shape(Draw& d);  // a small program of one of many shapes
void draw_layer(Draw& d);  // contractions, convolutions, losses with what stands around them
void draw_control(Draw& d);  // control flow with drawn bodies
void draw_movement(Draw& d);

inline ir::Attr axes_of(std::vector<int64_t> values) { return ir::Attr::of(std::move(values)); }

}  // namespace tenon::testing
