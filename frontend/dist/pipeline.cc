// The schedule of a pipeline, written out for the rank at hand. Forward and backward are the rules of one custom_vjp; what a microbatch
// leaves for its way back are the residuals of its stages. Each turn of the schedule is marked, so that the program runs them in
// order (passes/ranks/turns.cc): GPipe (Huang et al., 2019), or one forward, one backward (Narayanan et al., PipeDream, 2019).
#include "tenon/frontend/dist/pipeline.h"

#include "tenon/frontend/dist/parts.h"
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/named_axis.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/frontend/transform/rules.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/ranks/vary.h"

namespace tenon::dist::detail {

namespace {

using tenon::detail::NamedAxis;
using tenon::detail::Program;
using List = std::vector<Tensor>;

// The pipeline as this rank runs it. Lists of tensors are in the order: parameters of all stages, then x.
struct Run {
  const Stages& stages;
  const Group& group;
  const PipelineOptions& options;
  const Location& at;
  std::vector<passes::Vjp> rules;  // of own stages: by all floating inputs
  std::vector<std::vector<bool>> active;
  size_t first = 0, end = 0;  // own stages
  bool is_scalar = false;  // what the last stage gives

  Run(const Stages& s, const Group& g, const PipelineOptions& o, const Location& where)
      : stages(s), group(g), options(o), at(where) {
    const size_t each = s.programs.size() / static_cast<size_t>(g.size());
    first = each * static_cast<size_t>(g.rank());
    end = first + each;
    for (size_t k = first; k < end; ++k) {
      const ir::Graph& f = *s.programs[k]->graph;
      std::vector<bool> floating;
      for (uint32_t i = 0; i < f.input_count(); ++i)
        floating.push_back(i < s.programs[k]->arguments && is_continuous(f.type(ir::ValueId{i}).dtype));
      active.push_back(floating);
      rules.push_back(passes::vjp(f, floating));
    }
    const ir::Graph& last = *s.programs.back()->graph;
    is_scalar = last.outputs().size() == 1 && last.type(last.outputs()[0]).shape.empty() &&
                is_continuous(last.type(last.outputs()[0]).dtype);
  }

  bool begins() const { return first == 0; }
  bool ends() const { return end == stages.programs.size(); }
  int count() const { return options.microbatches; }

  // ---- the schedule: turns of microbatch j, forward and backward

  // Forward passes before the first backward one: as many as ranks lie behind, this one included.
  int warm() const { return std::min(count(), group.size() - group.rank()); }
  int64_t forward_turn(int j) const {
    if (options.schedule == gpipe || j < warm()) return j;
    return 2 * static_cast<int64_t>(j) - warm() + 1;
  }
  int64_t backward_turn(int j) const {
    if (options.schedule == gpipe) return count() + j;
    const int left = count() - warm();  // forward passes that alternate with backward ones
    return j < left ? warm() + 2 * static_cast<int64_t>(j) : 2 * static_cast<int64_t>(left) + warm() + (j - left);
  }
  Tensor marked(const Tensor& t, int64_t turn) const {
    return apply_primitive(ir::Op::in_turn, ir::InTurnAttrs{.turn = turn}, std::span(&t, 1), at)[0];
  }

  // ---- messages

  // What other ranks' programs get of this one's lies whole, as they take it: `constrain` in a stage cuts what its own ranks do.
  Tensor whole(const Tensor& t) const {
    ir::ConstrainAttrs lying{.axes = std::vector<int64_t>(t.cell()->type.shape.size(), -1), .place = to_string(at)};
    return apply_primitive(ir::Op::constrain, std::move(lying), std::span(&t, 1), at)[0];
  }
  // Memory that nobody has written, when `after` is there. Under vmap it has lanes where `like` has them, as what is sent has.
  Tensor room_for(const ir::Type& type, const List& after, const Tensor& like) const {
    const ir::Attrs attrs = ir::UnsetAttrs{.dtype = type.dtype, .shape = type.shape.dims()};
    List list;
    if (NamedAxis::any())
      list = {broadcast_to(like.reshape({like.numel()})[0].astype(type.dtype), Extents(type.shape))};
    else
      list = apply_primitive(ir::Op::unset, attrs, {}, at);
    if (after.empty()) return list[0];
    list.insert(list.end(), after.begin(), after.end());
    return apply_primitive(ir::Op::barrier, {}, list, at)[0];
  }
  Tensor received(const ir::Type& type, int from, int channel, const List& after, const Tensor& like) const {
    return asked(ir::Op::exchange, room_for(type, after, like), group, {-1, from, channel}, at);
  }
  // Gives what is there when t has gone.
  Tensor sent(const Tensor& t, int to, int channel) const {
    return asked(ir::Op::exchange, t, group, {to, -1, channel}, at);
  }
  static constexpr int onwards = 0, back = 1;
  // The root's, to every rank.
  Tensor spread(const Tensor& t, std::vector<int64_t> numbers) const {
    return group.size() == 1 ? t : asked(ir::Op::collective_broadcast, whole(t), group, std::move(numbers), at);
  }

  // ---- stages

  List parameters_of(const List& all, size_t stage) const {
    size_t from = 0;
    for (size_t k = 0; k < stage; ++k) from += stages.parameters[k].size();
    return {all.begin() + static_cast<std::ptrdiff_t>(from),
            all.begin() + static_cast<std::ptrdiff_t>(from + stages.parameters[stage].size())};
  }
  // Part j of a list of tensors along axis 0.
  List part(std::span<const Tensor> whole, int j) const {
    List parts;
    for (const Tensor& t : whole) {
      const int64_t rows = t.cell()->type.shape[0].number() / count();
      parts.push_back(t[slice(rows * j, rows * (j + 1))]);
    }
    return parts;
  }
  std::vector<ir::Type> types_before(size_t stage) const {  // of what comes into a stage
    std::vector<ir::Type> types;
    if (stage == 0) {
      for (const Tensor& t : stages.microbatch) types.push_back(t.cell()->type);
      return types;
    }
    const ir::Graph& g = *stages.programs[stage - 1]->graph;
    for (ir::ValueId v : g.outputs()) types.push_back(g.type(v));
    return types;
  }

  // Microbatch j through the own stages, and on; what they leave is appended, stage by stage.
  List forward(const List& all, int j, List* residuals) const {
    const size_t parameters = all.size() - stages.x.size();
    List h;
    if (begins())
      h = part(std::span(all).subspan(parameters), j);
    else
      for (const ir::Type& type : types_before(first))
        h.push_back(received(type, group.rank() - 1, onwards, {}, all.back()));
    for (size_t k = first; k < end; ++k) {
      List inputs = parameters_of(all, k);
      inputs.insert(inputs.end(), h.begin(), h.end());
      const size_t results = stages.programs[k]->graph->outputs().size();
      h = apply_graph(*rules[k - first].forward, stages.programs[k]->inputs(inputs), at);
      if (residuals) residuals->insert(residuals->end(), h.begin() + static_cast<std::ptrdiff_t>(results), h.end());
      h.resize(results);
    }
    for (Tensor& t : h) {
      t = marked(ends() ? t : whole(t), forward_turn(j));
      if (!ends()) t = sent(t, group.rank() + 1, onwards);
    }
    return h;
  }

  // The result, the same on every rank.
  List run_forward(const List& all, List* residuals) const {
    std::vector<List> made;
    if (residuals) residuals->push_back(all.back());  // has lanes where anything has
    for (int j = 0; j < count(); ++j) made.push_back(forward(all, j, residuals));
    const ir::Graph& last = *stages.programs.back()->graph;
    List results;
    for (size_t o = 0; o < last.outputs().size(); ++o) {
      Tensor all_rows;
      if (ends()) {
        List pieces;
        for (const List& m : made) pieces.push_back(m[o]);
        all_rows = is_scalar ? mean_of(pieces) : count() == 1 ? pieces[0] : concat(pieces, 0);
      } else {
        ir::Type type = last.type(last.outputs()[o]);
        if (!is_scalar) type.shape[0] = Dim(type.shape[0].number() * count());
        List gone;  // it is there when everything has gone on: what depends on it comes after that on every rank
        for (const List& m : made) gone.insert(gone.end(), m.begin(), m.end());
        all_rows = room_for(type, gone, all.back());
      }
      // Kept where this rank does nothing with it: others may, and it stands between forward and backward.
      results.push_back(spread(all_rows, {group.size() - 1}));
    }
    return results;
  }
  static Tensor mean_of(const List& pieces) {
    Tensor sum = pieces[0];
    for (size_t k = 1; k < pieces.size(); ++k) sum = sum + pieces[k];
    return sum / static_cast<double>(pieces.size());
  }

  // Cotangents of the own stages' parameters, summed, and of the parts of x.
  void backward(const List& residuals, const List& given, std::vector<List>& sums, std::vector<List>& parts) const {
    const size_t each = (residuals.size() - 1) / static_cast<size_t>(count());
    for (int j = 0; j < count(); ++j) {
      List cotangents = cotangents_of(given, j, residuals[0]);
      // Backward is computed apart from forward: fused with it, forward would run as late.
      const auto from = residuals.begin() + static_cast<std::ptrdiff_t>(1 + each * static_cast<size_t>(j));
      List left(from, from + static_cast<std::ptrdiff_t>(each));
      left.insert(left.end(), cotangents.begin(), cotangents.end());
      for (const List& s : sums) left.insert(left.end(), s.begin(), s.end());
      std::erase_if(left, [](const Tensor& t) { return !t.defined(); });
      left = apply_primitive(ir::Op::barrier, {}, left, at);
      size_t next = each;
      for (Tensor& t : cotangents)
        if (t.defined()) t = left[next++];
      for (List& s : sums)  // what the last microbatch added is added before this one begins
        for (Tensor& t : s)
          if (t.defined()) t = left[next++];
      size_t to = each;
      for (size_t k = end; k-- > first;) {
        const passes::Vjp& rule = rules[k - first];
        List inputs(left.begin() + static_cast<std::ptrdiff_t>(to - rule.residual_count),
                    left.begin() + static_cast<std::ptrdiff_t>(to));
        to -= rule.residual_count;
        for (size_t o = 0; o < cotangents.size(); ++o)
          if (rule.output_is_active[o]) inputs.push_back(cotangents[o]);
        const List made = apply_graph(*rule.backward, inputs, at);
        cotangents.assign(types_before(k).size(), Tensor());
        size_t taken = 0;
        for (size_t i = 0; i < active[k - first].size(); ++i) {
          if (!active[k - first][i]) continue;
          const size_t own = stages.parameters[k].size();
          Tensor& to_here = i < own ? sums[k][i] : cotangents[i - own];
          const Tensor& one = made[taken++];
          if (i < own)
            to_here = marked(to_here.defined() ? to_here + one : one, backward_turn(j));
          else
            to_here = marked(k == first && !begins() ? whole(one) : one, backward_turn(j));
        }
      }
      if (begins()) {
        parts.push_back(cotangents);
        continue;
      }
      const std::vector<ir::Type> types = types_before(first);
      for (size_t o = 0; o < types.size(); ++o)
        if (is_continuous(types[o].dtype)) sent(cotangents[o], group.rank() - 1, back);
    }
  }
  // What comes into the own stages from behind, for microbatch j.
  List cotangents_of(const List& given, int j, const Tensor& like) const {
    const ir::Graph& last = *stages.programs[end - 1]->graph;
    List cotangents;
    for (size_t o = 0; o < last.outputs().size(); ++o) {
      const ir::Type& type = last.type(last.outputs()[o]);
      if (!is_continuous(type.dtype))
        cotangents.emplace_back();
      else if (!ends())
        cotangents.push_back(received(type, group.rank() + 1, back, given, like));
      else if (is_scalar)
        cotangents.push_back(given[o] / static_cast<double>(count()));
      else
        cotangents.push_back(part(std::span(&given[o], 1), j)[0]);
    }
    return cotangents;
  }

  // Of every parameter and every tensor of x; undefined ones of integers.
  List run_backward(const List& residuals, const List& given) const {
    std::vector<List> sums, parts;
    for (const List& p : stages.parameters) sums.emplace_back(p.size());
    backward(residuals, given, sums, parts);
    List all;
    const auto add = [&](Tensor own, const Tensor& like, int root, bool here) {
      if (!is_continuous(like.dtype())) return all.emplace_back(), void();
      if (!here) own = room_for(like.cell()->type, {}, residuals[0]);
      all.push_back(spread(own, {root, 1}));  // every rank uses it or none
    };
    const size_t each = end - first;
    for (size_t k = 0; k < sums.size(); ++k)
      for (size_t i = 0; i < sums[k].size(); ++i)
        add(sums[k][i], stages.parameters[k][i], static_cast<int>(k / each), k >= first && k < end);
    for (size_t i = 0; i < stages.x.size(); ++i) {
      List pieces;
      for (const List& p : parts) pieces.push_back(p[i]);
      const bool here = begins() && is_continuous(stages.x[i].dtype());
      add(here ? (pieces.size() == 1 ? pieces[0] : concat(pieces, 0)) : Tensor(), stages.x[i], 0, here);
    }
    return all;
  }
};

}  // namespace

void check_pipeline(size_t stages, const Group& group, const PipelineOptions& options, const Location& at) {
  if (options.microbatches < 1)
    throw Error("dist::pipeline: " + std::to_string(options.microbatches) + " microbatches; give 1 or more", at);
  if (stages % static_cast<size_t>(group.size()) != 0)
    throw Error("dist::pipeline: " + std::to_string(stages) + " stages for the " + std::to_string(group.size()) +
                    " ranks of '" + group.name() + "'; give each rank as many",
                at);
}

std::vector<Tensor> microbatch_of(const std::vector<Tensor>& x, int microbatches, const Location& at) {
  std::vector<Tensor> parts;
  for (const Tensor& t : x) {
    ir::Type type = t.cell()->type;
    if (type.shape.empty() || !type.shape.is_static())
      throw Error(
          "dist::pipeline: " + describe(t) + " has no batch of a known extent along axis 0; make it a parameter", at);
    if (type.shape[0].number() % microbatches != 0)
      throw Error("dist::pipeline: " + describe(t) + " has a batch of " + std::to_string(type.shape[0].number()) +
                      ", which " + std::to_string(microbatches) +
                      " microbatches do not divide; drop or pad the rest of it",
                  at);
    type.shape[0] = Dim(type.shape[0].number() / microbatches);
    parts.push_back(stand_in(type, {}));
  }
  return parts;
}

std::vector<Tensor> results_of(const tenon::detail::Program& p) {
  std::vector<Tensor> results;
  for (ir::ValueId v : p.graph->outputs()) results.push_back(stand_in(p.graph->type(v), {}));
  return results;
}

std::vector<Tensor> run_pipeline(const Stages& stages, const Group& group, const PipelineOptions& options,
                                 const Location& at) {
  const FloatEnvironment standard;
  for (const auto& stage : stages.programs) passes::check_stage(*stage->graph, {group.size(), group.stride()});
  const ir::Graph& last = *stages.programs.back()->graph;
  const Run run(stages, group, options, at);
  if (!run.is_scalar)
    for (ir::ValueId v : last.outputs())
      if (last.type(v).shape.empty())
        throw Error(
            "dist::pipeline: the last stage gives a scalar beside other results, or one of integers; give one "
            "floating scalar (a loss), or tensors with the batch along axis 0",
            at);
  List all;
  for (const List& p : stages.parameters) all.insert(all.end(), p.begin(), p.end());
  all.insert(all.end(), stages.x.begin(), stages.x.end());
  const auto f =
      custom_vjp([&](const List& given) { return run.run_forward(given, nullptr); },
                 [&](const List& given) {
                   List residuals;
                   List results = run.run_forward(given, &residuals);
                   return std::make_pair(std::move(results), std::move(residuals));
                 },
                 [&](const List& residuals, const List& given) { return run.run_backward(residuals, given); });
  return f(all);
}

}  // namespace tenon::dist::detail
