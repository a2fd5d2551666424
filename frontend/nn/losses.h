// Losses by the names of torch.nn.functional: functions of predictions and targets, one program each. Their formulas are part of the
// contract on numbers (docs/numbers.md).
//
// `reduction` is "mean", "sum" or "none"; mean and sum give a scalar. Operands of elementwise losses promote and broadcast as those of `+`
// do; a half is computed in f32 and rounded once, at the end. At kinks derivatives are PyTorch's. Weights are tensors or nothing, take the
// dtype of what they weigh, and have no derivative of their own. Extents may be free. Error for another reduction, complex operands, and shapes that do not fit.
#pragma once

#include <string>

#include "tenon/frontend/ops/ops.h"

namespace tenon {

struct Loss {
  std::string reduction = "mean";
};
struct CrossEntropy {
  Weights weight = {};  // one per class
  double label_smoothing = 0, smoothing = 0;  // two names of the share of a label that all classes get
  int64_t ignore_index = -100;  // rows with this label do not count
  std::string reduction = "mean";
};
struct NllLoss {
  Weights weight = {};
  int64_t ignore_index = -100;
  std::string reduction = "mean";
};
struct BinaryCrossEntropy {
  Weights weight = {};  // of elements: it stretches to their shape
  std::string reduction = "mean";
};
struct BinaryCrossEntropyWithLogits {
  Weights weight = {};
  std::string reduction = "mean";
  Weights pos_weight = {};  // of the term of the target
};
struct HuberLoss {
  std::string reduction = "mean";
  double delta = 1;
};
struct SmoothL1Loss {
  std::string reduction = "mean";
  double beta = 1;
};
struct KlDiv {
  std::string reduction = "mean";  // over all elements; "batchmean" divides the sum by the first extent
  bool log_target = false;  // the target holds logarithms
};
struct CosineSimilarity {
  int64_t dim = 1;
  double eps = 1e-8;
};
struct MarginLoss {
  double margin = 0;
  std::string reduction = "mean";
};
struct HingeEmbeddingLoss {
  double margin = 1;
  std::string reduction = "mean";
};
struct TripletMarginLoss {
  double margin = 1, p = 2, eps = 1e-6;
  bool swap = false;  // the negative's distance is the least of those to the anchor and to the positive
  std::string reduction = "mean";
};
struct TripletMarginWithDistanceLoss {
  double margin = 1;
  bool swap = false;
  std::string reduction = "mean";
};
struct MultiMarginLoss {
  double p = 1, margin = 1;  // p is 1 or 2
  Weights weight = {};  // one per class
  std::string reduction = "mean";
};
struct MultilabelSoftMarginLoss {
  Weights weight = {};  // one per class
  std::string reduction = "mean";
};
struct PoissonNllLoss {
  bool log_input = true, full = false;
  double eps = 1e-8;
  std::string reduction = "mean";
};
struct GaussianNllLoss {
  bool full = false;
  double eps = 1e-6;
  std::string reduction = "mean";
};
struct CtcLoss {
  int64_t blank = 0;
  std::string reduction = "mean";  // of losses over target lengths
  bool zero_infinity = false;  // where targets are too long for the input, the loss is 0 in place of infinity
};

// ---- of labels and classes. Classes lie along axis 1, or along the only axis: x[n, classes, d1, ...] with integer labels[n, d1, ...] or
// probabilities of x's shape. The mean over labels weighs each by the weight of its class. A label that is no class is an error; inside a
// program it makes the loss NaN.

// -log_softmax(x)[label]; of probabilities p -sum(p log_softmax(x)).
Tensor cross_entropy(Operand x, Operand labels, const CrossEntropy& o = {});
// -x[label]; x holds logarithms of probabilities.
Tensor nll_loss(Operand x, Operand labels, const NllLoss& o = {});
// The sum over other classes i of max(0, margin - x[label] + x[i])^p, over the number of classes. x[n, classes] or x[classes].
Tensor multi_margin_loss(Operand x, Operand labels, const MultiMarginLoss& o = {});
// Of several labels: labels has x's shape, a row holds its labels first and -1 behind the last of them. The sum over labels l and over classes i
// that are no label of max(0, 1 - x[l] + x[i]), over the number of classes. x[n, classes] or x[classes].
Tensor multilabel_margin_loss(Operand x, Operand labels, const Loss& o = {});
// The mean over classes of -(y log(sigmoid(x)) + (1 - y) log(sigmoid(-x))), y of x's shape [.., classes].
Tensor multilabel_soft_margin_loss(Operand x, Operand y, const MultilabelSoftMarginLoss& o = {});

// Connectionist temporal classification (Graves and others, ICML 2006): the negative logarithm of the probability of the targets, summed over
// their alignments. log_probs[t, n, classes] hold logarithms of probabilities, such as log_softmax gives; targets[n, s] are padded with
// anything behind target_lengths[n], or stand one behind the other, targets[sum of target_lengths]; of step t of sequence n nothing counts
// from input_lengths[n] on. One sequence has no n. The derivative is that of the function of log_probs. Lengths and labels that do not fit are
// an error where their values are at hand, and NaN inside a program. There the work grows with the targets' extent: padded ones are less.
Tensor ctc_loss(Operand log_probs, Operand targets, Operand input_lengths, Operand target_lengths,
                const CtcLoss& o = {});

// ---- elementwise

Tensor mse_loss(Operand x, Operand y, const Loss& o = {});  // (x - y)^2
Tensor l1_loss(Operand x, Operand y, const Loss& o = {});  // |x - y|
// (x - y)^2 / 2 where |x - y| < delta, else delta (|x - y| - delta / 2).
Tensor huber_loss(Operand x, Operand y, const HuberLoss& o = {});
// (x - y)^2 / (2 beta) where |x - y| < beta, else |x - y| - beta / 2.
Tensor smooth_l1_loss(Operand x, Operand y, const SmoothL1Loss& o = {});
// -(y log(x) + (1 - y) log(1 - x)), logarithms no less than -100; x in [0, 1]. The derivative is (x - y) / max(x (1 - x), 1e-12).
Tensor binary_cross_entropy(Operand x, Operand y, const BinaryCrossEntropy& o = {});
// The same of sigmoid(x), for any x.
Tensor binary_cross_entropy_with_logits(Operand x, Operand y, const BinaryCrossEntropyWithLogits& o = {});
// y (log(y) - x), 0 where y is 0; x holds logarithms.
Tensor kl_div(Operand x, Operand y, const KlDiv& o = {});
Tensor soft_margin_loss(Operand x, Operand y, const Loss& o = {});  // log(1 + e^(-x y))
// x where y is 1, max(0, margin - x) where it is -1.
Tensor hinge_embedding_loss(Operand x, Operand y, const HingeEmbeddingLoss& o = {});
Tensor margin_ranking_loss(Operand x1, Operand x2, Operand y,
                           const MarginLoss& o = {});  // max(0, margin - y (x1 - x2))
// e^x - y x, or x - y log(x + eps) of rates; with `full` Stirling's y log(y) - y + log(2 pi y) / 2 is added where y > 1.
Tensor poisson_nll_loss(Operand x, Operand y, const PoissonNllLoss& o = {});
// (log(v) + (x - y)^2 / v) / 2 with v = max(var, eps); with `full` log(2 pi) / 2 is added.
Tensor gaussian_nll_loss(Operand x, Operand y, Operand var, const GaussianNllLoss& o = {});

// ---- of vectors

// The product of vectors along an axis over their lengths, none taken for less than eps.
Tensor cosine_similarity(Operand x1, Operand x2, const CosineSimilarity& o = {});
// Of vectors along the last axis with cosine c: 1 - c where y is 1, max(0, c - margin) where it is -1.
Tensor cosine_embedding_loss(Operand x1, Operand x2, Operand y, const MarginLoss& o = {});
// max(0, margin + |anchor - positive| - |anchor - negative|), p-norms along the last axis of differences plus eps.
Tensor triplet_margin_loss(Operand anchor, Operand positive, Operand negative, const TripletMarginLoss& o = {});
namespace detail {
Tensor triplet_of_distances(Operand to_positive, Operand to_negative, const Tensor& between,
                            const TripletMarginWithDistanceLoss& o);
}
// The same with a distance of the caller's: any function of two tensors that gives a tensor, called as distance(anchor, positive).
template <class Distance>
Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                         const Distance& distance, const TripletMarginWithDistanceLoss& o = {},
                                         const At& at = At::current()) {
  const Tensor to_positive = distance(anchor, positive), to_negative = distance(anchor, negative);
  return detail::triplet_of_distances(Operand(to_positive, at), Operand(to_negative, at),
                                      o.swap ? Tensor(distance(positive, negative)) : Tensor(), o);
}

namespace nn {
using tenon::cross_entropy, tenon::nll_loss, tenon::multi_margin_loss, tenon::multilabel_soft_margin_loss,
    tenon::mse_loss, tenon::l1_loss, tenon::huber_loss, tenon::smooth_l1_loss, tenon::binary_cross_entropy,
    tenon::binary_cross_entropy_with_logits, tenon::kl_div, tenon::soft_margin_loss, tenon::hinge_embedding_loss,
    tenon::margin_ranking_loss, tenon::poisson_nll_loss, tenon::gaussian_nll_loss, tenon::cosine_similarity,
    tenon::cosine_embedding_loss, tenon::triplet_margin_loss, tenon::triplet_margin_with_distance_loss,
    tenon::multilabel_margin_loss, tenon::ctc_loss;
}  // namespace nn

}  // namespace tenon
