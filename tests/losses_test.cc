// Losses beside torch.nn.functional: values and gradients with every option and reduction. Eager, taped, jitted and batched, and of halves.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <functional>
#include <map>

#include "tenon/tests/loss_inputs.h"

namespace tenon::testing {
namespace {

using List = std::vector<Tensor>;
using Numbers = std::vector<double>;
Numbers values(const Tensor& t) { return t.to_vector<double>(); }

const std::map<std::string, std::function<Tensor()>> inputs = {
    {"x", [] { return wave({3, 4}, 0.3, 1.3); }},
    {"y", [] { return wave({3, 4}, 1.1, 0.9); }},
    {"z", [] { return wave({3, 4}, 2.2, 0.7); }},
    {"p", [] { return share({3, 4}, 2.0, 1.3); }},
    {"q", [] { return share({3, 4}, 0.7, 0.8); }},
    {"x3", [] { return wave({2, 4, 3}, 0.9, 1.1); }},
    {"row", [] { return wave({4}, 0.3, 1.3); }},
    {"prob", [] { return softmax(wave({3, 4}, 1.1, 0.9), 1); }},
    {"prob3", [] { return softmax(wave({2, 4, 3}, 0.1, 0.7), 1); }},
};
Tensor some_labels() { return tensor({2, -100, 1}); }
Tensor deep_labels() { return tensor({{0, 1, 3}, {2, 2, -100}}); }
Tensor signs(const Tensor& like) { return where(wave({3, 4}, 0.5, 2.1) > 0, 1.0, -1.0).astype(like.dtype()); }
Tensor turns(const Tensor& like) { return tensor({1.0, -1.0, 1.0}).astype(like.dtype()); }
Tensor large(const Tensor& like) { return (share({3, 4}, 0.7, 0.8) > 0.5).astype(like.dtype()); }

struct Row {
  const char* name;
  Tensor (*call)(const List&);
  std::vector<const char*> operands;
  Numbers want;
};

// The sum of all elements, the i-th times cos(a i).
double weighed(const Numbers& x, double a) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * std::cos(a * static_cast<double>(i));
  return sum;
}
Tensor weighed_result(const Tensor& r) {
  const Tensor flat = r.reshape({-1});
  return sum(flat * cos(0.4 * arange(0, flat.shape()[0].number(), 1, {.dtype = f64})).astype(r.dtype()));
}

// Of PyTorch 1.13 in f64: sum(result * cos(0.4 i)), and for each operand sum(grad * cos(0.7 i)), grad being that of the first number.
const std::vector<Row> rows = {
    {"mse mean",
     [](const List& v) { return mse_loss(v[0], v[1]); },
     {"x", "y"},
     {2.3278613521429623, -0.7985350149017877, 0.7985350149017877}},
    {"mse sum",
     [](const List& v) { return mse_loss(v[0], v[1], {.reduction = "sum"}); },
     {"x", "y"},
     {27.934336225715548, -9.582420178821454, 9.582420178821454}},
    {"mse none",
     [](const List& v) { return mse_loss(v[0], v[1], {.reduction = "none"}); },
     {"x", "y"},
     {-16.757881238397523, 5.344088596657428, -5.344088596657428}},
    {"l1",
     [](const List& v) { return l1_loss(v[0], v[1]); },
     {"x", "y"},
     {1.2252297621393529, -0.2486620985375531, 0.2486620985375531}},
    {"huber",
     [](const List& v) { return huber_loss(v[0], v[1], {.delta = 0.7}); },
     {"x", "y"},
     {0.6531568082481546, -0.2127315977668741, 0.2127315977668741}},
    {"huber none",
     [](const List& v) { return huber_loss(v[0], v[1], {.reduction = "none"}); },
     {"x", "y"},
     {-5.812177559897131, 1.343189685334641, -1.343189685334641}},
    {"smooth",
     [](const List& v) { return smooth_l1_loss(v[0], v[1], {.beta = 0.7}); },
     {"x", "y"},
     {0.9330811546402208, -0.30390228252410595, 0.30390228252410595}},
    {"smooth0",
     [](const List& v) { return smooth_l1_loss(v[0], v[1], {.beta = 0}); },
     {"x", "y"},
     {1.2252297621393529, -0.2486620985375531, 0.2486620985375531}},
    {"bce",
     [](const List& v) { return binary_cross_entropy(v[0], v[1]); },
     {"p", "q"},
     {1.1099168774978663, -1.8255565091517116, -0.11332310904360927}},
    {"bce w sum",
     [](const List& v) { return binary_cross_entropy(v[0], v[1], {.weight = w(), .reduction = "sum"}); },
     {"p", "q"},
     {7.692663477732449, -15.67601074958372, -1.2412126079272012}},
    {"bcel",
     [](const List& v) { return binary_cross_entropy_with_logits(v[0], v[1]); },
     {"x", "q"},
     {0.8386696150396729, -0.19698089449543177, -0.07943645839476704}},
    {"bcel w pw none",
     [](const List& v) {
       return binary_cross_entropy_with_logits(v[0], v[1], {.weight = w(), .reduction = "none", .pos_weight = 2 * w()});
     },
     {"x", "q"},
     {-3.2744770132372576, 1.5105739050557438, -3.7077265960087273}},
    {"kl",
     [](const List& v) { return kl_div(v[0], v[1]); },
     {"x", "q"},
     {-0.28612555703315096, -0.2952232792432629, 0.5174708607726725}},
    {"kl batchmean log",
     [](const List& v) { return kl_div(v[0], v[1], {.reduction = "batchmean", .log_target = true}); },
     {"x", "y"},
     {5.581652111457358, -3.678527649677437, 8.552231555043223}},
    {"kl sum",
     [](const List& v) { return kl_div(v[0], v[1], {.reduction = "sum"}); },
     {"x", "q"},
     {-3.4335066843978117, -3.542679350919155, 6.209650329272068}},
    {"soft_margin",
     [](const List& v) { return soft_margin_loss(v[0], signs(v[0])); },
     {"x"},
     {0.8149085423676844, -0.049073130320882806}},
    {"hinge",
     [](const List& v) { return hinge_embedding_loss(v[0], signs(v[0]), {.margin = 0.8}); },
     {"x"},
     {0.33361401601638435, 0.14655915389207277}},
    {"ranking",
     [](const List& v) { return margin_ranking_loss(v[0], v[1], signs(v[0]), {.margin = 0.3}); },
     {"x", "y"},
     {0.8773357161020287, -0.2549568975702759, 0.2549568975702759}},
    {"poisson",
     [](const List& v) { return poisson_nll_loss(v[0], v[1]); },
     {"x", "q"},
     {1.8137874313129163, 0.052159396443188795, -0.07943645839476704}},
    {"poisson full",
     [](const List& v) { return poisson_nll_loss(v[0], 3 * v[1], {.full = true, .reduction = "none"}); },
     {"x", "q"},
     {-9.88245672614793, 6.304815502610711, -13.701919587117024}},
    {"poisson rates",
     [](const List& v) { return poisson_nll_loss(v[0], v[1], {.log_input = false, .eps = 1e-3}); },
     {"p", "q"},
     {1.1732447986318277, -0.8210224136619385, 0.1403029217217885}},
    {"gauss",
     [](const List& v) { return gaussian_nll_loss(v[0], v[1], v[2]); },
     {"x", "y", "p"},
     {4.38254179929387, -1.1691119725624464, 1.1691119725624464, -13.33545925441052}},
    {"gauss full eps",
     [](const List& v) { return gaussian_nll_loss(v[0], v[1], v[2], {.full = true, .eps = 0.4, .reduction = "none"}); },
     {"x", "y", "p"},
     {-19.09706489735652, 6.494600765934312, -6.494600765934312, 18.516480267708694}},
    {"ce",
     [](const List& v) { return cross_entropy(v[0], labels()); },
     {"x"},
     {1.8111370586184325, 0.39616929277058816}},
    {"ce w",
     [](const List& v) { return cross_entropy(v[0], some_labels(), {.weight = w()}); },
     {"x"},
     {2.341021927998419, -0.1287545850249931}},
    {"ce w smooth",
     [](const List& v) { return cross_entropy(v[0], some_labels(), {.weight = w(), .label_smoothing = 0.1}); },
     {"x"},
     {2.236404262321785, -0.12719460828961338}},
    {"ce smooth sum",
     [](const List& v) { return cross_entropy(v[0], labels(), {.smoothing = 0.2, .reduction = "sum"}); },
     {"x"},
     {5.448174331457798, 0.9682197923165479}},
    {"ce smooth none",
     [](const List& v) {
       return cross_entropy(v[0], some_labels(), {.weight = w(), .label_smoothing = 0.2, .reduction = "none"});
     },
     {"x"},
     {2.727081149261553, -0.062180128080412934}},
    {"ce 3",
     [](const List& v) { return cross_entropy(v[0], deep_labels(), {.weight = w()}); },
     {"x3"},
     {1.7308050884203632, -0.1357828927561151}},
    {"ce 3 none ignore",
     [](const List& v) { return cross_entropy(v[0], deep_labels(), {.label_smoothing = 0.1, .reduction = "none"}); },
     {"x3"},
     {4.8841915738317025, 0.0975248138080437}},
    {"ce 1",
     [](const List& v) { return cross_entropy(v[0], tensor(int64_t{2})); },
     {"row"},
     {1.6873831328484652, 0.4877725936920363}},
    {"ce prob",
     [](const List& v) { return cross_entropy(v[0], v[1]); },
     {"x", "prob"},
     {1.975521368426944, -0.2864397831080153, 0.9369568670844068}},
    {"ce prob w smooth",
     [](const List& v) { return cross_entropy(v[0], v[1], {.weight = w(), .label_smoothing = 0.1}); },
     {"x3", "prob3"},
     {1.0872721311916882, 0.013568375317917523, -0.7782231521766974}},
    {"ce prob none",
     [](const List& v) { return cross_entropy(v[0], v[1], {.reduction = "none"}); },
     {"x3", "prob3"},
     {5.113889587830658, 0.2929280564496889, 2.364123284226375}},
    {"nll",
     [](const List& v) { return nll_loss(v[0], some_labels(), {.weight = w()}); },
     {"x"},
     {0.3342191977572902, -0.6642316869132785}},
    {"nll 3 sum",
     [](const List& v) { return nll_loss(v[0], deep_labels(), {.reduction = "sum"}); },
     {"x3"},
     {-2.2835488567916693, -1.9533352795738825}},
    {"multi margin",
     [](const List& v) { return multi_margin_loss(v[0], labels()); },
     {"x"},
     {1.0245966631849006, 0.3009915147155416}},
    {"multi margin 2",
     [](const List& v) {
       return multi_margin_loss(v[0], labels(), {.p = 2, .margin = 0.7, .weight = w(), .reduction = "none"});
     },
     {"x"},
     {3.363714396928275, 1.5365746583739717}},
    {"multilabel soft",
     [](const List& v) { return multilabel_soft_margin_loss(v[0], large(v[0]), {.weight = w()}); },
     {"x"},
     {0.49691366547279503, -0.21289523637450777}},
    {"cos",
     [](const List& v) { return cosine_similarity(v[0], v[1]); },
     {"x", "y"},
     {0.5068640324949316, 0.6475153505556839, -0.33123453434280714}},
    {"cos 0",
     [](const List& v) { return cosine_similarity(v[0], v[1], {.dim = 0}); },
     {"x", "y"},
     {0.17579149765854868, 1.3124651216922594, -0.28234653358968664}},
    {"cos emb",
     [](const List& v) {
       return cosine_embedding_loss(v[0], 0.3 * v[1] - v[0], turns(v[0]), {.margin = 0.2, .reduction = "none"});
     },
     {"x", "y"},
     {3.3740844389826865, 0.05389848180388481, -0.03402879963725193}},
    {"cos emb mean",
     [](const List& v) { return cosine_embedding_loss(v[0], v[1], turns(v[0]), {.margin = -0.9}); },
     {"x", "y"},
     {1.1018160931665413, 0.16437677121215452, -0.03597092999862532}},
    {"triplet",
     [](const List& v) { return triplet_margin_loss(v[0], v[1], v[2]); },
     {"x", "y", "z"},
     {0.9476079406190804, -0.06929846135182961, 0.6822192066611669, -0.6129207453093373}},
    {"triplet p swap",
     [](const List& v) {
       return triplet_margin_loss(v[0], v[1], v[2], {.margin = 2, .p = 3, .swap = true, .reduction = "none"});
     },
     {"x", "y", "z"},
     {8.080049194427053, -1.832244893799642, 1.762790752620583, 0.06945414117905913}},
};

List drawn(const Row& row, DType dtype) {
  List v;
  for (const char* name : row.operands) v.push_back(inputs.at(name)().astype(dtype));
  return v;
}

TEST(Losses, ValuesAndGradientsArePyTorchs) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const List v = drawn(row, f64);
    const Tensor eager = row.call(v);
    const auto jitted = jit([&](const List& x) { return row.call(x); });
    EXPECT_EQ(values(eager), values(jitted(v)));
    EXPECT_NEAR(weighed(values(eager), 0.4), row.want[0], 1e-11 * (1 + std::fabs(row.want[0])));
    const auto slope = grad([&](const List& x) { return weighed_result(row.call(x)); });
    const List g = jit(slope)(v);
    List taped;  // of every third: each takes programs of its own
    if ((&row - rows.data()) % 3 == 0) {
      for (const Tensor& t : v) taped.push_back(t.detach()), taped.back().set_requires_grad(true);
      weighed_result(row.call(taped)).backward();
    }
    for (size_t i = 0; i < v.size(); ++i) {
      EXPECT_NEAR(weighed(values(g[i]), 0.7), row.want[i + 1], 2e-11 * (1 + std::fabs(row.want[i + 1])))
          << "operand " << i;
      if (!taped.empty()) {
        EXPECT_EQ(values(g[i]), values(taped[i].grad())) << "operand " << i;
      }
    }
  }
}

// A batch gives each lane's numbers; halves are the f32 numbers, rounded once.
TEST(Losses, BatchesAndHalves) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const List v = drawn(row, f64);
    List stacked;
    for (const Tensor& t : v) stacked.push_back(stack({t, t * 0.5, t * 0.25}));
    const Tensor lanes = jit(vmap([&](const List& x) { return row.call(x); }))(stacked);
    for (const double scale : {1.0, 0.5, 0.25}) {
      List one;
      for (const Tensor& t : v) one.push_back(t * scale);
      const Numbers want = values(row.call(one)), got = values(lanes[scale == 1 ? 0 : scale == 0.5 ? 1 : 2]);
      for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-13 * (1 + std::fabs(want[i])));
    }
    const DType half = row.want.size() == 2 ? f16 : bf16;
    const List small = drawn(row, half);
    List wide;
    for (const Tensor& t : small) wide.push_back(t.astype(f32));
    const Tensor got = row.call(small);
    EXPECT_EQ(got.dtype(), half);
    const Numbers want = values(row.call(wide).astype(half));
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(values(got)[i], want[i], 1e-2 * (1 + std::fabs(want[i])));
  }
}

}  // namespace
}  // namespace tenon::testing
